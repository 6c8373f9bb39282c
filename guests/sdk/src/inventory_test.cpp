// The JSON that the SDK writes of a module's rules.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "secbeat/guest.hpp"

namespace secbeat::guest {
namespace {

char* from_heap(char* data, size_t, size_t wanted) { return static_cast<char*>(std::realloc(data, wanted)); }
// As memory that grows where it stands, and only twice.
char* little(char*, size_t, size_t wanted) {
  static char memory[8192];
  return wanted > sizeof memory ? nullptr : memory;
}

std::string finished(Inventory& rules) {
  const StringView text = rules.finish();
  const std::string copy(text.data() == nullptr ? "" : text.data(), text.size());
  std::free(const_cast<char*>(text.data()));  // NOLINT: it is the test's room
  return copy;
}

TEST(Inventory, IsAnArrayOfRulesWithAHashOfTheirContent) {
  Inventory rules(from_heap);
  rules.add("admin-path", "/admin", "access", "path");
  rules.add("no-tags", "");
  EXPECT_EQ(finished(rules), R"([{"id":"admin-path","hash":"727d6cc1bcbaaddd","tags":["access","path"]},)"
                             R"({"id":"no-tags","hash":"cbf29ce484222325"}])");
}

TEST(Inventory, IsEmptyWithoutRules) {
  Inventory rules(from_heap);
  EXPECT_EQ(finished(rules), "[]");
}

TEST(Inventory, StaysJsonWhateverTheIds) {
  Inventory rules(from_heap);
  rules.add("quote\" back\\ line\n", "", "t\"");
  EXPECT_EQ(finished(rules), R"([{"id":"quote\" back\\ line?","hash":"cbf29ce484222325","tags":["t\""]}])");
}

TEST(Inventory, GrowsAndSaysNothingWhereTheMemoryDoesNotSuffice) {
  Inventory long_one(from_heap);
  Inventory cut(little);
  for (int i = 0; i < 1000; ++i) long_one.add("a rule with a long id", "x"), cut.add("a rule with a long id", "x");
  EXPECT_GT(finished(long_one).size(), 50000U);
  EXPECT_EQ(cut.finish().size(), 0U);
}

}  // namespace
}  // namespace secbeat::guest
