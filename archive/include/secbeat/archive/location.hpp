// Where an archive is: [archive] of a configuration, or --archive of a command.
//
// Value type; thread safety as for std::string.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "secbeat/base/error.hpp"

namespace secbeat::archive {

struct Location {
  std::filesystem::path folder = {};  // empty: in S3, or nowhere
  std::string bucket = {};            // empty: in a folder, or nowhere
  std::string prefix = {};            // of every key in the bucket, without a slash at its ends; may be empty

  // Of S3 only.
  std::string endpoint = {};  // "https://host[:port]"; empty: AWS_ENDPOINT_URL, else Amazon's of the region
  std::string region = {};    // empty: AWS_REGION, else us-east-1
  std::filesystem::path credentials = {};  // a file as of the AWS tools; empty: the environment, else their own file
  std::filesystem::path tls_ca = {};       // empty: the system's

  [[nodiscard]] bool is_nowhere() const { return folder.empty() && bucket.empty(); }
  bool operator==(const Location&) const = default;
};

// Of "s3://bucket[/prefix]", "file:///folder" with percent-encoding, or a path. kConfig says what is wrong with others.
Result<Location> location_of(std::string_view url);
// The folder, or "s3://bucket/prefix".
std::string to_text(const Location& location);

// "http://host[:port]" or "https://…", and nothing after it.
bool is_endpoint(std::string_view text);
// [a-z0-9-], at most 64.
bool is_region(std::string_view text);

}  // namespace secbeat::archive
