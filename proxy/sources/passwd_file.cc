#include "sources/passwd_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/whole_file.h"

namespace headgate::sources {
namespace {

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Costs as much as a check of an existing user's passwords.
void burn(const PasswdTable& table, const Secret& password, std::size_t times) {
  const proof::PasswordHash* hash = table.typical_hash();
  for (std::size_t i = 0; hash != nullptr && i < times; ++i) {
    static_cast<void>(hash->matches(password));
  }
}

}  // namespace

PasswdFile::Stamp PasswdFile::stamp_of(const struct stat& status) {
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = status.st_size,
          .modified_ns = nanoseconds(status.st_mtim),
          .changed_ns = nanoseconds(status.st_ctim)};
}

PasswdFile::Stamp PasswdFile::stamp_now() const {
  struct stat status{};
  return ::stat(path_.c_str(), &status) == 0 ? stamp_of(status) : Stamp{};
}

PasswdFile::Version PasswdFile::read() const {
  const auto failed = [this](Stamp stamp, std::string_view what) {
    return Version{stamp, std::unexpected(std::vector{fmt::format("{}: {}", path_, what)})};
  };
  const auto file = open_regular(path_);
  if (!file) {
    return failed(stamp_now(), file.error());
  }
  const Stamp stamp = stamp_of(file->status);
  const auto text = read_whole(file->fd.get(), kLargestFile);
  if (!text) {
    return failed(stamp, text.error());
  }
  auto table = PasswdTable::parse(text->view());
  if (table) {
    return {stamp, std::make_shared<const PasswdTable>(*std::move(table))};
  }
  std::vector<std::string> errors;
  for (const PasswdError& error : table.error()) {
    errors.push_back(fmt::format("{}:{}: {}", path_, error.line, error.what));
  }
  return {stamp, std::unexpected(std::move(errors))};
}

std::expected<std::shared_ptr<PasswdFile>, std::vector<std::string>> PasswdFile::open(
    std::string path) {
  std::shared_ptr<PasswdFile> file(new PasswdFile(std::move(path)));
  Version version = file->read();
  if (!version.table) {
    return std::unexpected(std::move(version.table.error()));
  }
  file->table_ = *std::move(version.table);
  file->stamp_ = version.stamp;
  file->checked_ = Clock::now();
  return file;
}

std::shared_ptr<const PasswdTable> PasswdFile::current(Clock::time_point now) {
  {
    const std::lock_guard lock(mutex_);
    if (refreshing_ || now - checked_ < kCheckEvery) {
      return table_;
    }
    refreshing_ = true;  // the others go on with what there is
  }
  refresh();
  const std::lock_guard lock(mutex_);
  refreshing_ = false;
  checked_ = now;
  return table_;
}

// Runs on one thread at a time, so stamp_ is not touched by another meanwhile.
void PasswdFile::refresh() {
  if (stamp_now() == stamp_) {
    return;
  }
  Version version = read();
  // Also for a broken file: one warning for each version of it.
  const bool news = version.stamp != std::exchange(stamp_, version.stamp);
  if (version.table) {
    log::info("passwd file read again",
              {{"file", path_}, {"users", std::uint64_t{(*version.table)->size()}}});
    const std::lock_guard lock(mutex_);
    table_ = *std::move(version.table);
  } else if (news) {
    for (const std::string& error : version.table.error()) {
      log::warning("passwd file broken, keeping what was read before", {{"error", error}});
    }
  }
}

// All of a user's passwords are compared, whichever is the right one: see RecordChecker::check().
auth::LookupResult PasswdFile::check(std::string_view user, const Secret& password,
                                     bool hash_unknown, const auth::CodeRules& codes,
                                     std::string_view login) {
  const std::shared_ptr<const PasswdTable> table = current();
  const PasswdEntry* entry = table->find(user);
  if (entry == nullptr) {
    if (hash_unknown) {
      burn(*table, password, table->typical_count(user));
    }
    return auth::UnknownHere{};
  }
  if (entry->apps.empty() && entry->hash.cost_class().empty()) {
    burn(*table, password, 1);
    return auth::Rejected{dialogue::LoginFailure::kWrongCredentials};
  }
  const auth::CodeCheck code(codes, entry->totp ? &*entry->totp : nullptr, password, login);
  bool matches = entry->hash.matches(code.password(false));
  const std::string* app = nullptr;
  for (const PasswdEntry::AppPassword& each : entry->apps) {
    if (each.hash.matches(code.password(true)) && !matches) {
      matches = true;
      app = &each.label;
    }
  }
  std::optional<auth::Route> route;
  if (matches && !entry->locked) {
    route = entry->route;
    if (app != nullptr) {
      route->app_password = *app;
    }
  }
  return code.answer(std::move(route));
}

auth::LookupResult PasswdFile::stored(std::string_view user) {
  const std::shared_ptr<const PasswdTable> table = current();
  const PasswdEntry* entry = table->find(user);
  if (entry == nullptr) {
    return auth::UnknownHere{};
  }
  // No exchange has room for a one-time code.
  if (entry->locked || entry->totp || entry->hash.cost_class().empty()) {
    return auth::Rejected{dialogue::LoginFailure::kWrongCredentials};
  }
  return auth::Known{entry->route,
                     std::make_shared<const proof::PasswordHash>(entry->hash.clone())};
}

auth::LookupResult PasswdFile::explain(std::string_view user) {
  const std::shared_ptr<const PasswdTable> table = current();
  const PasswdEntry* entry = table->find(user);
  return entry != nullptr ? auth::LookupResult(auth::Accepted{entry->route})
                          : auth::LookupResult(auth::UnknownHere{});
}

}  // namespace headgate::sources
