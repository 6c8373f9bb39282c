#include "object_metadata.hpp"

#include <gtest/gtest.h>

#include <string>

namespace secbeat::fleet {
namespace {

TEST(ObjectMetadata, AreReadAsTheToolsOfNatsWriteThem) {
  const auto read = object_metadata_from_json(
      R"({"name":"waf","options":{"max_chunk_size":131072},"bucket":"m","nuid":"x0Y9","size":300000,"chunks":3,)"
      R"("digest":"SHA-256=AAAA"})");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->name, "waf");
  EXPECT_EQ(read->nuid, "x0Y9");
  EXPECT_EQ(read->size, 300000U);
  EXPECT_EQ(read->chunks, 3U);
  EXPECT_FALSE(read->deleted);
  EXPECT_TRUE(object_metadata_from_json(R"({"nuid":"a","deleted":true})")->deleted);
}

TEST(ObjectMetadata, OfAnotherFormAreNone) {
  for (const std::string& text :
       {std::string(), std::string("["), std::string("[]"), std::string("{}"), std::string(R"({"nuid":"*"})"),
        std::string(R"({"nuid":""})"), R"({"nuid":")" + std::string(65, 'a') + "\"}", std::string(R"({"nuid":"ä"})"),
        std::string(R"({"nuid":"a","size":-1})"), std::string(R"({"nuid":"a","size":1e300})"),
        std::string(R"({"nuid":"a","size":2,"chunks":3})"), std::string(R"({"nuid":"a","size":"2"})"),
        std::string(R"({"nuid":"a","name":4})"), R"({"nuid":"a","name":")" + std::string(70000, 'a') + "\"}"}) {
    EXPECT_FALSE(object_metadata_from_json(text)) << text.substr(0, 60);
  }
}

}  // namespace
}  // namespace secbeat::fleet
