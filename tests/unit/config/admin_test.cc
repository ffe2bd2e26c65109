#include "config/admin.h"

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

TEST_F(Admin, one_address_or_a_list_of_them) {
  const auto one = load_with("address: \"unix:/run/headgate/admin.sock\"");
  ASSERT_TRUE(one) << one.error().front().to_string();
  ASSERT_EQ(one->admin.addresses.size(), 1U);
  EXPECT_EQ(one->admin.addresses[0].path, "/run/headgate/admin.sock");
  EXPECT_EQ(one->admin.socket_mode, 0600U);
  const auto list =
      load_with("address: [/run/a, \"[::1]:9143\"], socket_mode: 0660, socket_group: root");
  ASSERT_TRUE(list) << list.error().front().to_string();
  ASSERT_EQ(list->admin.addresses.size(), 2U);
  EXPECT_EQ(list->admin.addresses[1].to_string(), "[::1]:9143");
  EXPECT_EQ(list->admin.socket_mode, 0660U);
  EXPECT_EQ(group_id(list->admin.socket_group.value()), 0U);
}

TEST_F(Admin, what_is_no_address_is_refused_where_it_stands) {
  EXPECT_THAT(error_of("address: admin.sock"),
              HasSubstr("admin.address: expected ADDRESS:PORT or the absolute path of a Unix "));
  EXPECT_THAT(error_of("address: [/run/a, \"localhost:1\"]"),
              HasSubstr("admin.address[1]: expected"));
  EXPECT_THAT(error_of("address: []"), HasSubstr("admin.address: expected"));
  EXPECT_THAT(error_of("address: {path: /run/a}"), HasSubstr("admin.address: expected"));
  EXPECT_THAT(error_of("address: [/run/a, unix:/run/a]"),
              HasSubstr("admin.address: expected another address, found '/run/a' again"));
}

TEST_F(Admin, bits_and_group_of_a_socket_are_checked) {
  for (const char* mode : {"660", "\"0600\"", "0666"}) {
    EXPECT_EQ(error_of(std::string("address: /run/a, socket_mode: ") + mode), "") << mode;
  }
  for (const char* mode : {"0888", "rw-rw----", "1660", "06600", "60", "\"\""}) {
    EXPECT_THAT(error_of(std::string("address: /run/a, socket_mode: ") + mode),
                HasSubstr("admin.socket_mode: expected three octal digits"))
        << mode;
  }
  EXPECT_THAT(error_of("address: /run/a, socket_group: no-such-group-here"),
              HasSubstr("admin.socket_group: expected a group of this machine, by name or number, "
                        "found 'no-such-group-here'"));
  EXPECT_EQ(error_of("address: /run/a, socket_group: 12345"), "");
  EXPECT_THAT(error_of("address: \"127.0.0.1:0\", socket_mode: 0660"),
              HasSubstr("admin.socket_mode: expected the path of a Unix socket in admin.address"));
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
