// What servers of S3 answer, and what hostile ones might.
#include "s3_answers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace secbeat::archive {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string list_of(const std::string& inside) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3/\">" + inside +
         "</ListBucketResult>";
}
std::string list_fault(const std::string& xml) {
  const auto page = list_page_from_xml(xml);
  return page ? "taken" : page.error().message;
}

TEST(S3Answers, AListIsReadWithWhatComesAfterIt) {
  const auto page = list_page_from_xml(list_of(
      "<IsTruncated>true</IsTruncated><NextContinuationToken>a+/=</NextContinuationToken><Contents><Key>p/a&amp;b</Key>"
      "<Size>12</Size><Owner><ID>x</ID></Owner></Contents><Contents><Size>0</Size><Key>p/c</Key></Contents>"));
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_THAT(page->files, ElementsAre(StoredFile{"p/a&b", 12}, StoredFile{"p/c", 0}));
  EXPECT_TRUE(page->is_truncated);
  EXPECT_EQ(page->next, "a+/=");
  EXPECT_TRUE(list_page_from_xml(list_of(""))->files.empty());
}

TEST(S3Answers, AListThatIsNoneIsAFault) {
  const std::string whole = list_of("<Contents><Key>a</Key><Size>1</Size></Contents>");
  ASSERT_EQ(list_fault(whole), "taken");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_NE(list_fault(whole.substr(0, length)), "taken") << length;
  }
  EXPECT_THAT(list_fault("<html></html>"), HasSubstr("it is none"));
  EXPECT_THAT(list_fault(list_of("<IsTruncated>true</IsTruncated>")), HasSubstr("how it goes on"));
  for (const char* size : {"", "-1", "1x", "99999999999999999999999"}) {
    EXPECT_NE(list_fault(list_of("<Contents><Key>a</Key><Size>" + std::string(size) + "</Size></Contents>")), "taken");
  }
  EXPECT_NE(list_fault(list_of("<Contents><Size>1</Size></Contents>")), "taken") << "no key";
}

TEST(S3Answers, WhatIsHostileIsBounded) {
  EXPECT_THAT(list_fault("<!DOCTYPE a [<!ENTITY b \"bbbbbbbb\">]>" + list_of("")), HasSubstr("document type"));
  EXPECT_THAT(list_fault("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><ListBucketResult/>"), HasSubstr("document type"));
  EXPECT_THAT(list_fault(list_of(std::string(4097, 'x'))), HasSubstr("too long"));
  EXPECT_NE(list_fault(list_of("<Contents><Key>" + std::string(kMaxKey + 1, 'k') + "</Key></Contents>")), "taken");
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "<a>";
  EXPECT_THAT(list_fault(list_of(deep)), HasSubstr("too deep"));
  EXPECT_THAT(list_fault("<" + std::string(5000, 'n') + "/>"), HasSubstr("too deep"));
  EXPECT_THAT(list_fault(std::string(kMaxAnswerBytes + 1, ' ')), HasSubstr("too long"));
}

TEST(S3Answers, AnErrorIsReadAsFarAsItCanBe) {
  const S3Error error = error_from_xml("<Error><Code>NoSuchKey</Code><Message>It is gone</Message><Other/></Error>");
  EXPECT_EQ(error.code, "NoSuchKey");
  EXPECT_EQ(error.message, "It is gone");
  for (const char* text : {"", "not found", "<Error><Code>NoSuchKey</Code>", "<html><Code>x</Code></html>"}) {
    EXPECT_EQ(error_from_xml(text).code, "") << text;
  }
}

}  // namespace
}  // namespace secbeat::archive
