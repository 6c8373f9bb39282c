// Where an archive is, as people write it.
#include "secbeat/archive/location.hpp"

#include <gtest/gtest.h>

namespace secbeat::archive {
namespace {

TEST(Location, IsABucketWithOrWithoutAPrefix) {
  const auto bucket = location_of("s3://rules");
  ASSERT_TRUE(bucket) << bucket.error().message;
  EXPECT_EQ(*bucket, (Location{.bucket = "rules"}));
  EXPECT_EQ(to_text(*bucket), "s3://rules");
  EXPECT_EQ(*location_of("s3://rules/"), (Location{.bucket = "rules"}));
  EXPECT_EQ(*location_of("s3://rules/a/b.c/"), (Location{.bucket = "rules", .prefix = "a/b.c"}));
  EXPECT_EQ(to_text(*location_of("s3://rules/a/b")), "s3://rules/a/b");
}

TEST(Location, NeverHoldsAPrefixThatLeadsElsewhere) {
  for (const char* url : {"s3://", "s3://a", "s3:///x", "s3://rules/..", "s3://rules/a//b", "s3://rules/a/../b",
                          "s3://rules/./a", "s3://rules//", "s3://user:key@rules", "s3://rules?x=1", "s3://rules/a b",
                          "s3://rules/a%2Fb", "s3://-rules/a"}) {
    EXPECT_FALSE(location_of(url)) << url;
  }
}

TEST(Location, HasAnEndpointThatIsAHostAndNothingElse) {
  for (const char* text : {"http://127.0.0.1:9000", "https://s3.example.org", "https://[::1]:7070", "http://a:1"}) {
    EXPECT_TRUE(is_endpoint(text)) << text;
  }
  for (const char* text : {"", "s3.example.org", "ftp://a", "http://", "http://a/", "http://a/b", "http://u:p@a",
                           "http://a:", "http://a:x", "http://a:123456", "http://a?b", "http://[::1", "http://a b",
                           "http://a\r\nx", "https://:80"}) {
    EXPECT_FALSE(is_endpoint(text)) << text;
  }
}

}  // namespace
}  // namespace secbeat::archive
