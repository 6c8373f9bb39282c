#include "wasmtime_handles.hpp"

#include "utf8.hpp"

namespace secbeat::engine {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// "0: text" is "text".
std::string_view without_number(std::string_view line) {
  const auto digits = line.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos || !line.substr(digits).starts_with(": ")) return line;
  return line.substr(digits + 2);
}

}  // namespace

std::string causes_in_one_line(std::string_view report) {
  static constexpr std::string_view kCauses = "Caused by:\n";
  std::string line;
  if (const auto at = report.find(kCauses); at != std::string_view::npos) {
    std::string_view rest = report.substr(at + kCauses.size());
    while (!rest.empty()) {
      const auto end = rest.find('\n');
      const std::string_view cause = without_number(trimmed(rest.substr(0, end)));
      if (cause.empty()) break;  // what follows an empty line is not a cause
      if (!line.empty()) line += ": ";
      line += cause;
      rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    }
  }
  if (line.empty()) line = trimmed(report.substr(0, report.find('\n')));
  return repaired_utf8(line, kMaxMessageBytes);
}

std::string reason_of(const wasmtime_error_t* error) {
  wasm_name_t message;
  wasmtime_error_message(error, &message);
  std::string reason = causes_in_one_line({message.data, message.size});
  wasm_name_delete(&message);
  return reason;
}

std::string reason_of(const wasm_trap_t* trap) {
  wasm_message_t message;
  wasm_trap_message(trap, &message);
  // The C API ends this one with a zero byte.
  std::string_view text(message.data, message.size);
  if (text.ends_with('\0')) text.remove_suffix(1);
  std::string reason = causes_in_one_line(text);
  wasm_name_delete(&message);
  return reason;
}

}  // namespace secbeat::engine
