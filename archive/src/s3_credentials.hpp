// Who asks a server of S3.
//
// Thread safety: free functions; they read the environment, which nothing changes.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "secbeat/base/error.hpp"

namespace secbeat::archive {

struct Credentials {
  std::string key_id;
  std::string secret;
  std::string session_token = {};  // empty: none

  bool operator==(const Credentials&) const = default;
};

// Of `file` where one is given; else AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the environment;
// else the file of the AWS tools (AWS_SHARED_CREDENTIALS_FILE, ~/.aws/credentials). In a file, the section AWS_PROFILE
// counts, else "default". kConfig says what is missing, never what is there. A file that others may read is refused.
Result<Credentials> find_credentials(const std::filesystem::path& file);

// One section of a text as the AWS tools write it. kConfig.
Result<Credentials> credentials_from_text(std::string_view text, std::string_view profile);

// A variable of the environment; empty: it is not there.
std::string environment(const char* name);

}  // namespace secbeat::archive
