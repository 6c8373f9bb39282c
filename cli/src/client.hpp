// The command line's HTTP client: one request, one answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "secbeat/base/error.hpp"

namespace secbeat::cli {

struct Reply {
  long status = 0;
  std::string body;
};

// One part of a multipart form: either text or the content of a file that was read before.
struct FormPart {
  std::string name;
  std::string value;
  std::optional<std::string> file_name;  // given: sent as a file
};

// Thread safety: one thread at a time.
class Client {
 public:
  // `address` is the node's API, such as "http://127.0.0.1:9090".
  explicit Client(std::string address) : address_(std::move(address)) {}

  // kIo with what to check where nobody answers. An answer of any status is a Reply.
  [[nodiscard]] Result<Reply> get(std::string_view path) const;
  [[nodiscard]] Result<Reply> remove(std::string_view path) const;  // DELETE
  [[nodiscard]] Result<Reply> post_form(std::string_view path, const std::vector<FormPart>& parts) const;
  [[nodiscard]] Result<Reply> post_json(std::string_view path, const std::string& body) const;

  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  std::string address_;
};

// Percent-encodes one query parameter's value.
std::string url_encode(std::string_view text);

}  // namespace secbeat::cli
