// The command line's HTTP client: one request, one answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node_api/profile.hpp"
#include "secbeat/base/error.hpp"

namespace secbeat::cli {

struct Reply {
  long status = 0;
  std::string body;
  std::string etag;  // of the header; empty: there is none
};

// One part of a multipart form: either text or the content of a file that was read before.
struct FormPart {
  std::string name;
  std::string value;
  std::optional<std::string> file_name;  // given: sent as a file
};

// How long to wait for an answer.
enum class Patience : std::uint8_t {
  kGlance,     // a look that is not worth waiting for
  kEmergency,  // an answer that would come at once from an agent that is well, where there is a way without it
  kRead,       // a question
  kChange,     // a reload may take the node's compile timeout, then a stage and a commit that wait for workers
};

// Thread safety: constant after construction; several threads may send at a time.
class Client {
 public:
  explicit Client(Target target);

  // kIo with what to check where nobody answers. An answer of any status is a Reply.
  [[nodiscard]] Result<Reply> get(std::string_view path, Patience patience = Patience::kRead) const;
  [[nodiscard]] Result<Reply> remove(std::string_view path) const;  // DELETE
  [[nodiscard]] Result<Reply> post_form(std::string_view path, const std::vector<FormPart>& parts) const;
  [[nodiscard]] Result<Reply> post_json(std::string_view path, const std::string& body,
                                        Patience patience = Patience::kChange) const;
  // PUT onto what has this ETag.
  [[nodiscard]] Result<Reply> put_json(std::string_view path, const std::string& body,
                                       const std::string& if_match) const;

  // Sent as X-Request-Id with everything that changes something; the node's log and history have it.
  [[nodiscard]] const std::string& request_id() const { return request_id_; }
  [[nodiscard]] const std::string& address() const { return target_.address; }
  // Of a node on this machine, as a profile names it; empty: none is named.
  [[nodiscard]] const std::string& state_dir() const { return target_.state_dir; }

 private:
  Target target_;
  std::string request_id_;
};

// Percent-encodes one query parameter's value.
std::string url_encode(std::string_view text);

}  // namespace secbeat::cli
