// Blocks everything; its verdict_detail ends behind the rule, as a shorter struct_len may.
#include "raw_detail.hpp"

static constinit char rule[] = "short-detail";
static constinit struct {
  uint32_t struct_len;
  secbeat::abi::Span rule;
} detail{};

SECBEAT_EXPORT("verdict_detail") const void* export_detail() {
  detail = {sizeof detail, {static_cast<uint32_t>(reinterpret_cast<uintptr_t>(rule)), sizeof rule - 1}};
  return &detail;
}
