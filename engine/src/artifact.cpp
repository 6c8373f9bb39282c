#include <fmt/format.h>
#include <sys/mman.h>

#include "engine_impl.hpp"
#include "secbeat/base/files.hpp"
#include "secbeat/engine/engine.hpp"

namespace secbeat::engine {
namespace {

// The checksum of what the descriptor holds, not of what was written to it.
Result<std::string> sha256_of_descriptor(int fd, std::size_t size) {
  void* const mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) return std::unexpected(io_error("cannot map the sealed artifact"));
  std::string hex = sha256_hex({static_cast<const char*>(mapped), size});
  ::munmap(mapped, size);
  return hex;
}

}  // namespace

Result<std::shared_ptr<const Artifact>> Artifact::load(const Engine& engine, std::string_view bytes,
                                                       std::string_view sha256, Isolation isolation) {
  if (bytes.empty()) return fail(ErrorCode::kArtifactRejected, "The artifact is empty");
  auto handle =
      isolation == Isolation::kRequest ? engine.impl().pooling() : Result<wasm_engine_t*>(engine.impl().handle.get());
  if (!handle) return std::unexpected(handle.error());
  auto sealed = seal_in_memory("secbeat-artifact", bytes);
  if (!sealed) return std::unexpected(sealed.error());
  auto checksum = sha256_of_descriptor(sealed->get(), bytes.size());
  if (!checksum) return std::unexpected(checksum.error());
  if (*checksum != sha256) {
    return fail(ErrorCode::kArtifactRejected,
                fmt::format("The artifact's SHA-256 is {}, expected {}: it is damaged or not the one meant", *checksum,
                            sha256.substr(0, checksum->size())));
  }

  // Wasmtime maps files by name only; this name is the sealed memory.
  const std::string path = fmt::format("/proc/self/fd/{}", sealed->get());
  wasmtime_module_t* raw = nullptr;
  if (const ErrorHandle error(wasmtime_module_deserialize_file(*handle, path.c_str(), &raw)); error) {
    return fail(ErrorCode::kArtifactRejected, "Wasmtime refuses the artifact: " + reason_of(error.get()));
  }
  ModuleHandle module(raw);

  if (auto imports = check_imports(*module); !imports) return std::unexpected(imports.error());
  auto exports = read_exports(*module);
  if (!exports) return std::unexpected(exports.error());
  return std::shared_ptr<const Artifact>(
      new Artifact(std::make_unique<Impl>(*handle, engine.impl().fuel, std::move(module), *exports)));
}

Artifact::Artifact(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Artifact::~Artifact() = default;

}  // namespace secbeat::engine
