#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "config/config.h"

namespace headgate::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Admin : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "headgate-admin-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    write("alice.token", "0123456789abcdef\nrest\n");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name) << text;
  }
  auto load_with(const std::string& admin) {
    return load_text((folder_ / "t.yaml").string(),
                     "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
                     "pools: {main: {backends: [{address: \"b:143\"}]}}\n"
                     "users: [{source: backend, pool: main}]\n"
                     "admin: {" +
                         admin + "}\n");
  }
  std::string error_of(const std::string& admin) {
    const auto loaded = load_with(admin);
    return loaded ? std::string() : loaded.error().front().to_string();
  }
  std::filesystem::path folder_;
};

TEST_F(Admin, tokens_come_from_the_first_line_of_their_files) {
  write("bob.token", "fedcba9876543210\n");
  const auto config = load_with(
      "tokens: [{name: alice, role: operator, token_file: alice.token},"
      " {name: bob, token_file: bob.token}], state_file: state.json, move_rate: 7");
  ASSERT_TRUE(config) << config.error().front().to_string();
  ASSERT_EQ(config->admin.tokens.size(), 2U);
  EXPECT_TRUE(config->admin.tokens[0].token.equals("0123456789abcdef"));
  EXPECT_EQ(config->admin.tokens[0].role, TokenRole::kOperator);
  EXPECT_EQ(config->admin.tokens[1].role, TokenRole::kRead);
  EXPECT_EQ(config->admin.state_file, (folder_ / "state.json").string());
  EXPECT_EQ(config->admin.move_rate, 7U);
}

TEST_F(Admin, a_token_that_could_be_guessed_or_not_be_sent_is_refused_and_not_shown) {
  write("short.token", "0123456789abcde\n");
  write("space.token", "0123456789 abcdef\n");
  const std::string is_short = error_of("tokens: [{name: a, token_file: short.token}]");
  EXPECT_THAT(is_short, HasSubstr("admin.tokens[0].token_file: expected a token of at least 16"));
  EXPECT_THAT(is_short, testing::Not(HasSubstr("0123456789")));
  EXPECT_THAT(error_of("tokens: [{name: a, token_file: space.token}]"), HasSubstr("printable"));
  EXPECT_THAT(error_of("tokens: [{name: a, token_file: none.token}]"), HasSubstr("none.token"));
  EXPECT_THAT(error_of("tokens: [{name: a}]"), HasSubstr("token_file"));
}

TEST_F(Admin, a_token_tells_who_has_it) {
  const std::string twice = error_of(
      "tokens: [{name: alice, token_file: alice.token}, {name: bob, token_file: alice.token}]");
  EXPECT_THAT(twice, HasSubstr("admin.tokens[1].token_file: expected another token than that of "
                               "'alice'"));
  EXPECT_THAT(twice, testing::Not(HasSubstr("0123456789")));
}

TEST_F(Admin, names_roles_and_paths_are_checked) {
  EXPECT_THAT(error_of("tokens: [{name: a, token_file: alice.token},"
                       " {name: a, token_file: alice.token}]"),
              HasSubstr("admin.tokens[1].name: expected another name"));
  EXPECT_THAT(error_of("tokens: [{name: a, role: root, token_file: alice.token}]"),
              HasSubstr("one of read, operator"));
  EXPECT_THAT(error_of("state_file: missing/state.json"), HasSubstr("missing"));
  EXPECT_THAT(error_of("move_rate: 0"), HasSubstr("from 1 to 100000"));
}

}  // namespace
}  // namespace headgate::config
