#include "base64.h"

bool mh_base64_encode(struct mh_slice bytes, struct mh_buffer *out) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (bytes.size == 0) return true;
  size_t length = (bytes.size + 2) / 3 * 4;
  if (!mh_buffer_reserve(out, length)) return false;
  uint8_t *to = out->data + out->size;
  for (size_t i = 0; i < bytes.size; i += 3) {
    size_t left = bytes.size - i;
    uint32_t group = (uint32_t)bytes.data[i] << 16;
    if (left > 1) group |= (uint32_t)bytes.data[i + 1] << 8;
    if (left > 2) group |= bytes.data[i + 2];
    *to++ = (uint8_t)alphabet[group >> 18];
    *to++ = (uint8_t)alphabet[group >> 12 & 63];
    *to++ = left > 1 ? (uint8_t)alphabet[group >> 6 & 63] : '=';
    *to++ = left > 2 ? (uint8_t)alphabet[group & 63] : '=';
  }
  out->size += length;
  return true;
}

static uint32_t digit_value(uint8_t digit) {
  if (digit >= 'A' && digit <= 'Z') return (uint32_t)(digit - 'A');
  if (digit >= 'a' && digit <= 'z') return (uint32_t)(digit - 'a' + 26);
  if (digit >= '0' && digit <= '9') return (uint32_t)(digit - '0' + 52);
  return digit == '+' ? 62 : digit == '/' ? 63 : UINT32_MAX;
}

bool mh_base64_decode(struct mh_slice text, uint8_t *out, size_t *size) {
  *size = 0;
  if (text.size % 4 != 0) return false;
  for (size_t i = 0; i < text.size; i += 4) {
    const uint8_t *digits = text.data + i;
    size_t padding = 0;
    if (i + 4 == text.size && digits[3] == '=') padding = digits[2] == '=' ? 2 : 1;
    uint32_t group = 0;
    for (size_t k = 0; k < 4; k++) {
      uint32_t value = k < 4 - padding ? digit_value(digits[k]) : 0;
      if (value == UINT32_MAX) return false;
      group = group << 6 | value;
    }
    if (group & ((1u << 8 * padding) - 1)) return false;
    for (size_t k = 0; k < 3 - padding; k++) out[(*size)++] = (uint8_t)(group >> (16 - 8 * k));
  }
  return true;
}
