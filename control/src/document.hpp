// The document as a JSON value: what in_force.json and a stage message have in common.
#pragma once

#include "json_reader.hpp"
#include "secbeat/control/in_force.hpp"

namespace secbeat::control {

inline constexpr std::size_t kMaxNameBytes = 64;  // of a module: engine::is_module_name

Json json_of(const InForce& in_force);
InForce read_in_force(const Json& json, const std::string& place, Faults& faults);

}  // namespace secbeat::control
