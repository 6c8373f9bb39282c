#include "testing.hpp"

#include <wasmtime/wat.h>

#include <array>
#include <cstdlib>

#include "secbeat/base/files.hpp"
#include "wasmtime_handles.hpp"

namespace secbeat::engine::testing {

std::string wasm(std::string_view wat) {
  wasm_byte_vec_t binary{};
  if (const ErrorHandle error(wasmtime_wat2wasm(wat.data(), wat.size(), &binary)); error) {
    ADD_FAILURE() << reason_of(error.get()) << "\n" << wat;
    return {};
  }
  std::string bytes(binary.data, binary.size);
  wasm_byte_vec_delete(&binary);
  return bytes;
}

std::string guest(std::string_view body, std::string_view more) {
  std::string text = R"((module (memory (export "memory") 1)
    (func (export "inspect_request") (param $ptr i32) (param $len i32) (result i32) )";
  text += body;
  text += ")\n";
  text += more;
  text += ")";
  return wasm(text);
}

TemporaryFolder::TemporaryFolder() {
  std::string path = (std::filesystem::temp_directory_path() / "secbeat-engine-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) ADD_FAILURE() << "no temporary folder " << path;
  path_ = path;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path TemporaryFolder::with(std::string_view name, std::string_view bytes) const {
  const auto written = write_file_atomically(file(name), bytes);
  if (!written) ADD_FAILURE() << written.error().message;
  return file(name);
}

CompileReport compile(std::string_view module, std::string_view config, const Limits& limits, Rehearsal rehearsal) {
  const TemporaryFolder folder;
  CompileJob job;
  job.module = folder.with("module.wasm", module);
  if (!config.empty()) job.config = folder.with("config", config);
  job.limits = limits;
  job.rehearsal = rehearsal;
  auto report = run_compile_job(job);
  if (!report) {
    ADD_FAILURE() << report.error().message;
    return {};
  }
  return std::move(*report);
}

std::string artifact_of(std::string_view module, std::size_t memory_bytes) {
  const TemporaryFolder folder;
  CompileJob job;
  job.module = folder.with("module.wasm", module);
  job.output = folder.file("artifact");
  job.limits.memory_bytes = memory_bytes;
  job.rehearsal = Rehearsal::kSkip;
  const auto report = run_compile_job(job);
  if (!report || report->error) {
    ADD_FAILURE() << (report ? report->error->message : report.error().message);
    return {};
  }
  return read_file(job.output, std::size_t{64} << 20U).value_or("");
}

Host::Host() {
  auto engine = Engine::create();
  if (!engine) {
    ADD_FAILURE() << engine.error().message;
    std::abort();
  }
  engine_ = std::move(*engine);
  ticker_.emplace(*engine_);
}

std::shared_ptr<const Artifact> Host::load(std::string_view module, Isolation isolation) {
  const std::string bytes = artifact_of(module);
  auto artifact = Artifact::load(*engine_, bytes, sha256_hex(bytes), isolation);
  if (!artifact) {
    ADD_FAILURE() << artifact.error().message;
    std::abort();
  }
  return std::move(*artifact);
}

Result<std::unique_ptr<Instance>> Host::create(std::string_view module, const Limits& limits, std::string_view config) {
  return Instance::create(*engine_, load(module), limits, config);
}

std::unique_ptr<Instance> Host::instance(std::string_view module, const Limits& limits, std::string_view config) {
  auto made = create(module, limits, config);
  if (!made) {
    ADD_FAILURE() << made.error().message;
    std::abort();
  }
  return std::move(*made);
}

RequestView browser_get() {
  static constexpr std::array kHeaders = {
      HeaderView{"host", "www.example.org"},
      HeaderView{"user-agent",
                 "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
                 "Chrome/130.0.0.0 Safari/537.36"},
      HeaderView{"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
      HeaderView{"accept-language", "en-GB,en;q=0.9"},
      HeaderView{"accept-encoding", "gzip, deflate, br"},
      HeaderView{"cookie", "session=0123456789abcdef"},
      HeaderView{"cookie", "theme=dark"},
  };
  RequestView request;
  request.method = "GET";
  request.uri = "/catalogue/item?id=42";
  request.version = "HTTP/1.1";
  request.source_ip = "192.0.2.10";
  request.host = "www.example.org";
  request.server_ip = "198.51.100.1";
  request.request_id = "0123456789abcdef";
  request.now_unix_ms = 1763946003000;
  request.source_port = 50'000;
  request.server_port = 8080;
  request.headers = kHeaders;
  return request;
}

}  // namespace secbeat::engine::testing
