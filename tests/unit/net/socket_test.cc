#include "net/socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include "net/transport.h"
#include "raw_peer.h"

namespace headgate::net {
namespace {

using testing::HasSubstr;

Endpoint loopback(std::uint16_t port = 0) {
  return *Endpoint::parse("127.0.0.1:" + std::to_string(port));
}

int option(int fd, int level, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  ::getsockopt(fd, level, name, &value, &length);
  return value;
}

UniqueFd listen_somewhere() {
  auto listener = listen_tcp(loopback(), 16);
  EXPECT_TRUE(listener.has_value()) << listener.error();
  return std::move(*listener);
}

TEST(ListenTcp, TwoListenersShareAPort) {
  const UniqueFd first = listen_somewhere();
  const Endpoint where = local_endpoint(first.get());
  EXPECT_NE(where.port, 0);
  EXPECT_TRUE(listen_tcp(where, 16).has_value());
}

TEST(ListenTcp, AnErrorSaysWhatFailedAndWhy) {
  const auto failed = listen_tcp(*Endpoint::parse("192.0.2.1:993"), 16);
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error(), "bind 192.0.2.1:993: Cannot assign requested address");
}

TEST(AcceptTcp, GivesTheSocketAndItsPeerAndThenNothing) {
  const UniqueFd listener = listen_somewhere();
  tune(listener.get(), KeepAlive{.idle_s = 77});
  const auto connecting = connect_tcp(local_endpoint(listener.get()));
  ASSERT_TRUE(connecting.has_value());
  ASSERT_TRUE(test::wait_for(listener.get(), POLLIN));
  const AcceptResult first = accept_tcp(listener.get());
  EXPECT_EQ(first.errno_code, 0);
  ASSERT_TRUE(first.accepted.fd);
  EXPECT_EQ(first.accepted.peer, local_endpoint(connecting->get()));
  EXPECT_EQ(::fcntl(first.accepted.fd.get(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(::fcntl(first.accepted.fd.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  // Inherited from the listener.
  EXPECT_EQ(option(first.accepted.fd.get(), IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option(first.accepted.fd.get(), SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(first.accepted.fd.get(), IPPROTO_TCP, TCP_KEEPIDLE), 77);
  const auto quiet = connect_tcp(local_endpoint(listener.get()), {.idle_s = 0});
  ASSERT_TRUE(quiet.has_value());
  EXPECT_EQ(option(quiet->get(), SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(option(connecting->get(), SOL_SOCKET, SO_KEEPALIVE), 1);
  ASSERT_TRUE(test::wait_for(listener.get(), POLLIN));
  ASSERT_TRUE(accept_tcp(listener.get()).accepted.fd);
  const AcceptResult second = accept_tcp(listener.get());
  EXPECT_FALSE(second.accepted.fd);
  EXPECT_EQ(second.errno_code, EAGAIN);
}

TEST(AcceptTcp, RunningOutOfDescriptorsIsToldAndTheConnectionWaits) {
  const UniqueFd listener = listen_somewhere();
  const auto connecting = connect_tcp(local_endpoint(listener.get()));
  ASSERT_TRUE(test::wait_for(listener.get(), POLLIN));
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const UniqueFd lowest_free(::dup(0));
  const rlimit none_left{static_cast<rlim_t>(lowest_free.get()), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none_left), 0);
  const AcceptResult refused = accept_tcp(listener.get());
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_FALSE(refused.accepted.fd);
  EXPECT_EQ(refused.errno_code, EMFILE);
  EXPECT_TRUE(accept_tcp(listener.get()).accepted.fd);
}

TEST(ConnectTcp, FinishesWhenWritable) {
  const UniqueFd listener = listen_somewhere();
  auto fd = connect_tcp(local_endpoint(listener.get()));
  ASSERT_TRUE(fd.has_value());
  EXPECT_EQ(option(fd->get(), IPPROTO_TCP, TCP_NODELAY), 1);
  IoScratch scratch;
  Transport transport(std::move(*fd), scratch);
  ASSERT_TRUE(test::wait_for(transport.fd(), POLLOUT));
  EXPECT_EQ(transport.finish_connect().want, Want::kNone);
}

TEST(ConnectTcp, ARefusalIsTold) {
  UniqueFd listener = listen_somewhere();
  const Endpoint where = local_endpoint(listener.get());
  listener.reset();
  auto fd = connect_tcp(where);
  ASSERT_TRUE(fd.has_value());
  IoScratch scratch;
  Transport transport(std::move(*fd), scratch);
  ASSERT_TRUE(test::wait_for(transport.fd(), POLLOUT));
  EXPECT_EQ(transport.finish_connect().want, Want::kFailed);
  EXPECT_EQ(transport.error(), "Connection refused");
  EXPECT_EQ(transport.error_code(), ECONNREFUSED);
}

TEST(Resolve, LiteralsNeedNoResolver) {
  EXPECT_EQ(resolve({"127.0.0.1", 143}), (std::vector{*Endpoint::parse("127.0.0.1:143")}));
  EXPECT_EQ(resolve({"::1", 143}), (std::vector{*Endpoint::parse("[::1]:143")}));
}

TEST(Resolve, NamesGiveAddressesWithThePort) {
  const auto found = resolve({"localhost", 993});
  ASSERT_TRUE(found.has_value()) << found.error();
  EXPECT_THAT(*found, testing::Each(testing::Field(&Endpoint::port, 993)));
}

TEST(Resolve, AnUnknownNameIsAnErrorThatNamesIt) {
  const auto found = resolve({"no such name.invalid", 993});
  ASSERT_FALSE(found.has_value());
  EXPECT_THAT(found.error(), HasSubstr("no such name.invalid"));
}

}  // namespace
}  // namespace headgate::net
