// What a server of S3 answers. A list that is taken has whole files only, and says how it goes on.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "s3_answers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secbeat::archive;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(error_from_xml(text));
  const auto page = list_page_from_xml(text);
  if (!page) return 0;
  if (page->is_truncated && page->next.empty()) std::abort();
  for (const StoredFile& file : page->files) {
    if (file.key.empty() || file.key.size() > kMaxKey) std::abort();
  }
  return 0;
}
