// Addresses and networks in CIDR notation. IPv4 is kept in its IPv6 form, ::ffff:a.b.c.d, so that there is one kind.
#pragma once

#include "rules.hpp"

namespace secbeat::waf {

inline constexpr uint32_t kIpv4Prefix = 96;  // bits before an IPv4 address in its IPv6 form
bool is_ipv4(const uint8_t (&address)[16]);

// False where the text is no address. "::ffff:192.0.2.1" is the address 192.0.2.1.
bool parse_address(StringView text, uint8_t (&address)[16]);
// "192.0.2.0/24", "2001:db8::/32", or an address alone. What lies behind the prefix counts as 0.
bool parse_network(StringView text, Network& network);
// Sets all but the first `bits` bits to 0.
void cut_address(uint8_t (&address)[16], uint32_t bits);

}  // namespace secbeat::waf
