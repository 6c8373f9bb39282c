// What a server of S3 answers. A list that is taken has whole files only, and says how it goes on. The same bytes are
// read as a file of credentials: those that are taken could stand in a header, and survive being written and read
// again; why others are refused is told without a secret.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fuzz_support.hpp"
#include "s3_answers.hpp"
#include "s3_credentials.hpp"

namespace {

constexpr std::size_t kLongestCredential = 8192;
// Longer than each sentence about credentials; no part of the file is in them.
constexpr std::size_t kLongestFault = 100;

void check_credentials(std::string_view text) {
  using secbeat::fuzz::require;
  const auto read = secbeat::archive::credentials_from_text(text, "default");
  if (!read) {
    const std::string& fault = read.error().message;
    require(fault.size() <= kLongestFault && fault.contains("section [default]"));
    return;
  }
  require(!read->key_id.empty() && !read->secret.empty());
  std::string written = "[default]\n";
  const auto add = [&](std::string_view key, std::string_view value) {
    require(value.size() <= kLongestCredential &&
            std::ranges::all_of(value, [](char c) { return c > ' ' && c < 0x7f; }));
    written.append(key).append(" = ").append(value).append("\n");
  };
  add("aws_access_key_id", read->key_id);
  add("aws_secret_access_key", read->secret);
  add("aws_session_token", read->session_token);
  const auto again = secbeat::archive::credentials_from_text(written, "default");
  require(again && *again == *read);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secbeat::archive;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(error_from_xml(text));
  check_credentials(text);
  const auto page = list_page_from_xml(text);
  if (!page) return 0;
  if (page->is_truncated && page->next.empty()) std::abort();
  for (const StoredFile& file : page->files) {
    if (file.key.empty() || file.key.size() > kMaxKey) std::abort();
  }
  return 0;
}
