#include "base/sha256.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "temporary.h"

namespace hearth {
namespace {

std::string hash(std::string_view text) {
  Sha256 sum;
  sum.add(std::as_bytes(std::span(text)));
  return sum.finish();
}

// FIPS 180-4's examples.
TEST(Sha256, Examples) {
  EXPECT_EQ(hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hash(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesAreTheWhole) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += char('a' + i % 26);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Sha256 sum;
    sum.add(std::as_bytes(std::span(text).first(cut)));
    sum.add(std::as_bytes(std::span(text).subspan(cut)));
    ASSERT_EQ(sum.finish(), hash(text)) << cut;
  }
}

TEST(Sha256, Files) {
  const tests::TemporaryFolder folder;
  std::ofstream(folder.path() / "x") << "abc";
  EXPECT_EQ(sha256_of(folder.path() / "x"), hash("abc"));
  EXPECT_THROW(sha256_of(folder.path() / "y"), Error);
}

}  // namespace
}  // namespace hearth
