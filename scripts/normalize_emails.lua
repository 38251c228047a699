-- Trims email addresses and makes them lower case, so that they can be compared.
return migrations.define {
  table = "users",
  migrateOne = function(ctx, user)
    if user.email == nil then
      return
    end
    local email = str.lower(str.trim(user.email))
    if email ~= user.email then
      return { email = email }
    end
  end,
}
