#include "secbeat/base/error.hpp"

#include <array>
#include <cerrno>
#include <system_error>

namespace secbeat {
namespace {

struct Row {
  std::string_view word;
  int http_status;
};

constexpr std::array kRows = {
#define SECBEAT_X(enumerator, word, status) Row{word, status},
    SECBEAT_ERROR_CODES(SECBEAT_X)
#undef SECBEAT_X
};

}  // namespace

std::string_view word_of(ErrorCode code) noexcept { return kRows[static_cast<std::size_t>(code)].word; }

int http_status_of(ErrorCode code) noexcept { return kRows[static_cast<std::size_t>(code)].http_status; }

ErrorCode code_of(std::string_view word) noexcept {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].word == word) return static_cast<ErrorCode>(i);
  }
  return ErrorCode::kInternal;
}

Error io_error(std::string_view what) {
  const int saved = errno;
  return Error{ErrorCode::kIo, std::string(what) + ": " + std::generic_category().message(saved)};
}

}  // namespace secbeat
