#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "secbeat/guest.hpp"
#include "std_view.hpp"

namespace secbeat::guest {
namespace {

template <std::size_t kCapacity = 256>
std::string normalized(std::string_view path) {
  Buffer<kCapacity> out;
  normalize_path({path.data(), path.size()}, out);
  return std::string(std_view(out.view()));
}

TEST(StringView, ComparesBytesAndAsciiWithoutCase) {
  EXPECT_TRUE(StringView("Nikto") == StringView("Nikto"));
  EXPECT_FALSE(StringView("Nikto") == StringView("nikto"));
  EXPECT_TRUE(StringView("Nikto").equals_ignore_case("nIKTO"));
  EXPECT_FALSE(StringView("Nikto").equals_ignore_case("Nikto2"));
  EXPECT_FALSE(StringView("\xC3\x84").equals_ignore_case("\xC3\xA4"));  // only ASCII has cases here
}

TEST(StringView, FindsTextAtEveryPlace) {
  const StringView text = "Mozilla sqlMAP/1.7";
  EXPECT_TRUE(text.contains_ignore_case("SQLMap"));
  EXPECT_TRUE(text.contains_ignore_case("MOZILLA"));
  EXPECT_TRUE(text.contains("1.7"));
  EXPECT_FALSE(text.contains("1.78"));
  EXPECT_FALSE(text.contains("SQLMap"));
  EXPECT_TRUE(text.contains(""));
  EXPECT_FALSE(StringView().contains("a"));
  EXPECT_TRUE(StringView().contains(""));
}

// Sixteen places are compared at once: every place of texts around that size, and nothing behind their ends.
TEST(StringView, FindsTextAtEveryPlaceOfLongTexts) {
  for (std::size_t size = 1; size < 70; ++size) {
    for (std::size_t place = 0; place + 5 <= size; ++place) {
      std::string text(size, 'n');
      text.replace(place, 5, "NiKtO");
      const std::vector<char> exact(text.begin(), text.end());  // the sanitizer sees what is read behind it
      const StringView view(exact.data(), exact.size());
      EXPECT_TRUE(view.contains_ignore_case("nikto")) << text;
      EXPECT_TRUE(view.contains("NiKtO")) << text;
      EXPECT_FALSE(view.contains("nikto")) << text;
      EXPECT_FALSE(view.contains_ignore_case("nikto!")) << text;
      EXPECT_TRUE(view.contains_ignore_case("O") && view.contains("t")) << text;
    }
  }
}

TEST(StringView, FindsNothingWhereOnlyTheEndsOfTheTextStand) {
  const StringView text = "n____o_nikt_o_[akt]o_N....O_n1kto_n\xC9kto_{}@`_long enough for two blocks";
  EXPECT_FALSE(text.contains_ignore_case("nikto"));
  EXPECT_FALSE(text.contains_ignore_case("[AKT}O"));
  EXPECT_FALSE(text.contains_ignore_case("{}`@"));
  EXPECT_TRUE(text.contains_ignore_case("[AKT]O"));
  EXPECT_TRUE(text.contains_ignore_case("N\xC9KTO"));
}

static_assert(StringView("a text that is longer than a block").contains_ignore_case("BLOCK"));

TEST(StringView, ComparesBeginningAndEnd) {
  const StringView text = "/Admin/x";
  EXPECT_TRUE(text.starts_with("/Admin"));
  EXPECT_FALSE(text.starts_with("/admin"));
  EXPECT_TRUE(text.starts_with_ignore_case("/aDMIN"));
  EXPECT_FALSE(StringView("/adm").starts_with_ignore_case("/admin"));
  EXPECT_TRUE(text.ends_with("/x"));
  EXPECT_FALSE(StringView("x").ends_with("/x"));
}

TEST(StringView, ClampsPartsToWhatThereIs) {
  const StringView text = "abc";
  EXPECT_EQ(std_view(text.first(99)), "abc");
  EXPECT_EQ(std_view(text.from(2)), "c");
  EXPECT_EQ(std_view(text.from(3)), "");
  EXPECT_EQ(std_view(text.from(StringView::kNotFound)), "");
  EXPECT_EQ(std_view(StringView(" \t a b\t \r\n").trimmed()), "a b");
  EXPECT_EQ(std_view(StringView(" \t").trimmed()), "");
}

TEST(Buffer, CutsWhatDoesNotFitAndSaysSo) {
  Buffer<4> buffer;
  buffer.append("abcd");
  EXPECT_FALSE(buffer.truncated());
  buffer.push('e');
  EXPECT_TRUE(buffer.truncated());
  EXPECT_EQ(std_view(buffer.view()), "abcd");
  buffer.clear();
  EXPECT_FALSE(buffer.truncated());
  EXPECT_TRUE(buffer.view().empty());
}

TEST(PercentDecode, DecodesOnceAndKeepsWhatIsNoEscape) {
  Buffer<64> out;
  percent_decode("%2561%41%4a%4J%", out);
  EXPECT_EQ(std_view(out.view()), "%61AJ%4J%");
  percent_decode("%0", out);
  EXPECT_EQ(std_view(out.view()), "%0");
  percent_decode("", out);
  EXPECT_EQ(std_view(out.view()), "");
}

TEST(NormalizePath, ResolvesWhatServersResolve) {
  EXPECT_EQ(normalized("/admin"), "/admin");
  EXPECT_EQ(normalized("/admin/"), "/admin/");
  EXPECT_EQ(normalized("//admin///x"), "/admin/x");
  EXPECT_EQ(normalized("/./admin/./x/."), "/admin/x/");
  EXPECT_EQ(normalized("/a/../admin"), "/admin");
  EXPECT_EQ(normalized("/a/%2e%2E/admin"), "/admin");
  EXPECT_EQ(normalized("/a%2f..%2Fadmin"), "/admin");
  EXPECT_EQ(normalized("/../../admin/.."), "/");
  EXPECT_EQ(normalized("/a/b/../../c/.../.d"), "/c/.../.d");
  EXPECT_EQ(normalized("/%2561dmin"), "/%61dmin");
  EXPECT_EQ(normalized("/a/b//.."), "/a/");
  EXPECT_EQ(normalized(""), "/");
  EXPECT_EQ(normalized("*"), "/*");
}

TEST(NormalizePath, IsTheBeginningOfTheWholeResultWhateverTheLength) {
  const std::string long_name(100, 'x');
  EXPECT_EQ(normalized<16>("/" + long_name + "/../admin"), "/admin");
  EXPECT_EQ(normalized<16>("/" + long_name + "/y/z/../../../admin/panel/of/control"), "/admin/panel/of/");
  EXPECT_EQ(normalized<16>("/short/" + long_name + "/" + long_name + "/../../tail"), "/short/tail");
  EXPECT_EQ(normalized<16>("/" + long_name + "/./." + "/..//./admin"), "/admin");

  // Against a buffer that holds everything, for paths of all shapes.
  const std::string_view parts[] = {"/", "/.", "/..", "/ab", "/abcdefgh", "/%2e%2e", "//"};
  for (std::size_t seed = 0; seed < 20'000; ++seed) {
    std::string path;
    for (std::size_t rest = seed; rest > 0; rest /= std::size(parts)) path += parts[rest % std::size(parts)];
    const std::string whole = normalized<256>(path);
    ASSERT_EQ(normalized<8>(path), whole.substr(0, 8)) << path;
    ASSERT_TRUE(normalized<1>(path) == "/") << path;
  }
}

}  // namespace
}  // namespace secbeat::guest
