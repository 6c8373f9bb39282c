// All that an instance holds: its rules, and the memory in which it reads documents and requests.
#pragma once

#include <secbeat/guest.hpp>

#include "matcher.hpp"
#include "memory.hpp"
#include "rules.hpp"

namespace secbeat::waf {

class Module {
 public:
  // Gives memory, or null.
  using Memory = char* (*)(size_t bytes);
  constexpr explicit Module(Memory memory) : memory_(memory) {}

  // Once. The reason lasts as long as the module.
  guest::Configured configure(StringView text);
  guest::Decision inspect(const guest::Request& request) { return matcher_.decide(request); }
  void list_rules(guest::Inventory& inventory) const;
  [[nodiscard]] bool needs_body() const { return matcher_.needs_body(); }
  [[nodiscard]] uint64_t work() const { return matcher_.work(); }

 private:
  [[nodiscard]] Arena make_scratch() const;

  Memory memory_;
  Arena kept_;
  Arena scratch_;  // of each request
  RuleSet rules_;
  Matcher matcher_;
  guest::Buffer<1024> reason_;
};

#if defined(__wasm__)
extern constinit Module the_module;
#else
// Where modules on a host take what they keep; it lasts until whoever set this frees it.
inline Module::Memory host_memory = [](size_t bytes) { return new char[bytes]; };  // NOLINT: see above
#endif

}  // namespace secbeat::waf
