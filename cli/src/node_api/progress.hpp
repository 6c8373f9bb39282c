// What a node is doing while a call to it runs, on one line of the terminal that is gone when the call has ended.
//
// A second thread asks GET /api/v1/wasm/operation. It shows only the operation of this call, known by its request id;
// while another one holds the turn, it says so. Where standard error is no terminal nothing is asked and nothing shown.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "node_api/answer.hpp"
#include "node_api/client.hpp"

namespace secbeat::cli {

// Makes the call, with what is shown of it.
Result<Reply> with_progress(const Client& client, const std::function<Result<Reply>()>& call);

// The line for an answer of GET /api/v1/wasm/operation; empty where it says nothing that a reader could use.
std::string progress_line(const Json& answer, std::string_view request_id);

}  // namespace secbeat::cli
