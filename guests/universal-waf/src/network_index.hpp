// Which tests name a network that an address is in: one look-up for each length of prefix that is used.
#pragma once

#include "memory.hpp"
#include "network.hpp"
#include "rules.hpp"

namespace secbeat::waf {

class NetworkIndex {
 public:
  void build(const RuleSet& rules, Arena& kept);
  [[nodiscard]] bool empty() const { return entries_.empty(); }

  // Calls found(test) for each; a test may come more than once.
  template <class Found>
  void find(StringView address, Found found) const;

 private:
  struct Entry {
    Network network;
    uint32_t test;
    uint32_t next;  // in the same slot; index + 1
  };
  [[nodiscard]] uint32_t slot_of(const Network& network) const;

  Array<Entry> entries_;
  uint32_t* slots_ = nullptr;  // index + 1
  uint32_t slot_count_ = 16;
  bool used_bits_[129] = {};
};

template <class Found>
void NetworkIndex::find(StringView address, Found found) const {
  Network whole;
  if (entries_.empty() || !parse_address(address, whole.address)) return;
  for (uint32_t bits = is_ipv4(whole.address) ? kIpv4Prefix : 0; bits <= 128; ++bits) {  // no IPv6 network holds IPv4
    if (!used_bits_[bits]) continue;
    Network cut = whole;
    cut.bits = static_cast<uint8_t>(bits);
    cut_address(cut.address, bits);
    for (uint32_t at = slots_[slot_of(cut)]; at != 0; at = entries_[at - 1].next) {
      const Network& network = entries_[at - 1].network;
      if (network.bits == cut.bits && __builtin_memcmp(network.address, cut.address, sizeof cut.address) == 0) {
        found(entries_[at - 1].test);
      }
    }
  }
}

}  // namespace secbeat::waf
