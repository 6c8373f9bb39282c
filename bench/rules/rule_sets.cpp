#include "rule_sets.hpp"

#include <fmt/format.h>

#include <array>
#include <random>
#include <string_view>

namespace secbeat::bench {
namespace {

constexpr std::array<std::string_view, 12> kPieces{
    "union select", "../../",   "<script",       "/etc/passwd", "' or ",       "exec(",
    "wp-content/",  "cgi-bin/", "base64_decode", "sleep(",      "javascript:", "${jndi:",
};
constexpr std::array<std::string_view, 10> kFields{
    "URI", "Query", "Args", "Header:User-Agent", "Headers", "Path", "Arg:q", "Cookie:session", "Body", "JSON:"};

std::string word(std::minstd_rand& random, std::size_t length) {
  static constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  for (std::size_t i = 0; i < length; ++i) text += kAlphabet[random() % kAlphabet.size()];
  return text;
}

}  // namespace

std::string rule_document(std::size_t rules) {
  std::minstd_rand random(7);
  std::string text = R"({"rules":[)";
  for (std::size_t i = 0; i < rules; ++i) {
    const auto piece = kPieces[random() % kPieces.size()];
    const auto field = kFields[i % kFields.size()];
    if (i > 0) text += ',';
    text += fmt::format(R"({{"id":"rule-{}","field":"{}",)", i, field);
    switch (random() % 4) {
      case 0:
        text += fmt::format(R"("pattern":"*{}*{}*")", word(random, 6), piece);
        break;
      case 1:
        text += fmt::format(R"("match":"contains","pattern":"{}{}")", piece, word(random, 5));
        break;
      case 2:
        text += fmt::format(R"("match":"prefix","pattern":"/{}/{}")", word(random, 5), word(random, 7));
        break;
      default:
        text += fmt::format(R"("pattern":"*{}","max_length":200)", word(random, 10));
        break;
    }
    text += R"(,"action":"Block"})";
  }
  return text + "]}";
}

}  // namespace secbeat::bench
