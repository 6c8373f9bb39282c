// Compiled artifacts as they are read from disk. An even first byte: the rest is the file, and its checksum is another
// one; it is refused, whatever it holds. An odd one: a real artifact whose file header is overwritten or whose end is
// missing, with the checksum that belongs to it; it is refused or loaded. Nothing is run, and no code is changed: that
// a checksum is right is what says that the compile child made it.
#include <algorithm>
#include <string>

#include "fuzz_compiled.hpp"
#include "fuzz_support.hpp"
#include "secbeat/engine/engine.hpp"

namespace {

using namespace secbeat;
using namespace secbeat::engine;
using fuzz::require;

constexpr std::size_t kElfHeaderBytes = 64;
constexpr std::string_view kOtherSha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b854";

void require_refusal(const Result<std::shared_ptr<const Artifact>>& loaded) {
  require(!loaded && loaded.error().code == ErrorCode::kArtifactRejected && loaded.error().message.size() <= 1024);
}

void check_wrong_checksum(const Engine& engine, std::string_view bytes) {
  require_refusal(Artifact::load(engine, bytes, kOtherSha256));
  // Half of the right one, nothing, and what the file says itself.
  const std::string right = sha256_hex(bytes);
  for (const std::string_view claimed : {std::string_view(right).substr(0, 32), std::string_view(), bytes}) {
    require_refusal(Artifact::load(engine, bytes, claimed));
  }
}

void check_header(const Engine& engine, std::string_view input) {
  static const std::string artifact = fuzz::compiled_guest("told_abi2");
  std::string bytes = artifact;
  fuzz::Pieces pieces(input);
  const std::size_t cut = (std::size_t{pieces.number()} << 8U) | pieces.number();
  while (!pieces.empty()) {
    const std::size_t offset = pieces.number() % kElfHeaderBytes;
    const std::string_view piece = pieces.next().substr(0, kElfHeaderBytes - offset);
    std::ranges::copy(piece, bytes.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  bytes.resize(bytes.size() - std::min(cut, bytes.size()));
  const auto loaded = Artifact::load(engine, bytes, sha256_hex(bytes));
  if (!loaded) require_refusal(loaded);
  require(loaded || bytes != artifact);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<Engine> engine = *Engine::create();
  std::string_view input = fuzz::text_of(data, size);
  if (input.empty()) return 0;
  const auto choice = static_cast<unsigned char>(input.front());
  input.remove_prefix(1);
  if ((choice & 1U) == 0) {
    check_wrong_checksum(*engine, input);
  } else {
    check_header(*engine, input);
  }
  return 0;
}
