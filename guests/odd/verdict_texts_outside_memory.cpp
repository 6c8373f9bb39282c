// Blocks everything; the rule of its verdict_detail lies outside its memory, the message reaches beyond it.
#include "raw_detail.hpp"

static constinit secbeat::abi::VerdictDetail detail{};

SECBEAT_EXPORT("verdict_detail") const void* export_detail() {
  detail = {sizeof detail, {0xFFFF'0000U, 16}, {16, 0xFFFF'FFFFU}, 5, 0, 0};
  return &detail;
}
