// What a server of S3 answers, in XML. It comes from outside: it is bounded, a document type is refused (and with it
// entities), and what is not understood is left out.
//
// Thread safety: free functions without state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "secbeat/archive/storage.hpp"

namespace secbeat::archive {

inline constexpr std::size_t kMaxAnswerBytes = std::size_t{8} << 20U;
inline constexpr std::size_t kMaxKey = 1024;  // what S3 allows

struct ListPage {
  std::vector<StoredFile> files;  // with whole keys
  bool is_truncated = false;
  std::string next;  // the token with which the list goes on
};

// Of ListObjectsV2. kProtocol says what is wrong.
Result<ListPage> list_page_from_xml(std::string_view xml);

struct S3Error {
  std::string code;  // "NoSuchKey", …; empty: the answer has none
  std::string message;
};
// What an answer that is no success says, as far as it can be read.
S3Error error_from_xml(std::string_view xml);

}  // namespace secbeat::archive
