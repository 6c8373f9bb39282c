// What each module of this folder does, as data: how it leaves the compile job, and how it decides requests.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "secbeat/engine/engine.hpp"

namespace secbeat::guests_test {

using engine::CallErrorKind;
using engine::Verdict;

struct RequestCase {
  std::string uri = "/";
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::string source_ip = "192.0.2.7";

  // What is expected: a verdict with its rule and, where one is named, its message; or an error.
  Verdict verdict = Verdict::kAllow;
  std::string rule = {};
  std::string message = {};
  std::optional<CallErrorKind> error = std::nullopt;
};

struct GuestCase {
  std::string guest;
  std::string error = {};  // the word of the code with which the compile job refuses it; empty: accepts
  std::string error_contains = {};
  std::string config = {};
  std::string embedded_name = {};
  std::string embedded_version = {};
  int abi = 2;
  bool needs_body = false;
  std::vector<RequestCase> requests = {};
};

inline void PrintTo(const GuestCase& guest, std::ostream* out) { *out << guest.guest; }

std::vector<GuestCase> all_guest_cases();

}  // namespace secbeat::guests_test
