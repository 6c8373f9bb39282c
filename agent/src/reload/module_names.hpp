// Which module an upload, a rollback or a question is about.
//
// Thread safety: free functions over values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "secbeat/agent/reloader.hpp"
#include "secbeat/engine/module_info.hpp"

namespace secbeat::agent {

// The modules that requests meet, in order.
std::vector<std::string> names_in(const control::InForce& in_force);

// The module of `[waf.wasm] module`, also while it is removed; else the first of the chain; empty where there is none.
std::string default_module(const control::InForce& in_force, const std::vector<std::string>& config_names);

// The slot of `name`, or of the default module, also of one that was removed. kUnknownModule, with the names there are.
Outcome<control::Slot> find_module(const control::InForce& in_force, const std::vector<std::string>& config_names,
                                   const std::optional<std::string>& name);

// The same, of a module that requests meet: kUnknownModule for one that was removed.
Outcome<control::Slot> find_in_chain(const control::InForce& in_force, const std::vector<std::string>& config_names,
                                     const std::optional<std::string>& name);

// The module that an upload with a file is about: the given name, else the embedded one, else the default one.
// `info` may be the error of bytes that are no module: the upload still has a name to fail under.
Outcome<std::string> name_of_file(const Upload& upload, const Result<engine::ModuleInfo>& info,
                                  const std::string& default_name);

// The module that an upload without a file is about: the given name, else the only one in `configurable`.
Outcome<std::string> name_of_configuration(const Upload& upload, const control::InForce& in_force,
                                           const std::vector<std::string>& configurable);

// A failure that is not about a module in particular.
std::unexpected<Failure> refuse(ErrorCode code, std::string message, std::vector<std::string> names = {});

}  // namespace secbeat::agent
