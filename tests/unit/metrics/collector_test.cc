#include "metrics/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include "metrics/catalog.h"

namespace headgate::metrics {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

class CollectorTest : public testing::Test {
 protected:
  CollectorTest() {
    for (const auto& worker : workers_) {
      worker->source("sql");
    }
  }

  std::string page() { return collector_.text(); }

  std::vector<std::shared_ptr<WorkerMetrics>> workers_ = {
      std::make_shared<WorkerMetrics>(std::vector<std::string>{"imaps", "imap"}),
      std::make_shared<WorkerMetrics>(std::vector<std::string>{"imaps", "imap"})};
  std::shared_ptr<AdminMetrics> admin_ = std::make_shared<AdminMetrics>();
  Collector collector_{Sources{
      .workers = {workers_.begin(), workers_.end()},
      .backends =
          [] {
            return std::vector<BackendFigures>{
                {.pool = "main",
                 .backend = "127.0.1.1:10143",
                 .sessions = 7,
                 .failures = 3,
                 .weight = 100,
                 .up = false,
                 .draining = false,
                 .disabled = false,
                 .admission =
                     AdmissionFigures{.limit = 40, .under_way = 12, .waiting = 3, .refused = 9}},
                {.pool = "main",
                 .backend = "127.0.1.2:10143",
                 .sessions = 0,
                 .failures = 0,
                 .weight = 0,
                 .up = true,
                 .draining = true,
                 .disabled = true}};
          },
      .health =
          [] {
            return std::vector<HealthFigures>{{.pool = "main",
                                               .backend = "127.0.1.1:10143",
                                               .state = "starting",
                                               .since = std::chrono::sys_seconds(1200s),
                                               .passes = true,
                                               .tenths = 3,
                                               .login_p95 = 250ms,
                                               .passed = 17,
                                               .failed = 4,
                                               .stages = {250us, 0us, 1ms, 2ms, 0us}}};
          },
      .srv =
          [] {
            return std::vector<SrvFigures>{{.pool = "main",
                                            .answers = 7,
                                            .failures = 2,
                                            .backends = 3,
                                            .left_out = 1,
                                            .answered = std::chrono::sys_seconds(1300s)}};
          },
      .users =
          [] {
            return UserFigures{
                .users = 5, .away = 2, .left_behind = 1, .bytes = 4096, .overflows = 3};
          },
      .limits =
          [] {
            return std::vector<LimitFigures>{
                {.scope = "user", .of = "", .limit = 20, .most = 17, .near = 1},
                {.scope = "listener", .of = "imaps", .limit = 9, .most = 0, .near = 0}};
          },
      .user_sources =
          [] {
            return std::vector<SourceFigures>{
                {.source = "sql", .breaker_open = true, .breaker_openings = 2, .cache_entries = 42},
                {.source = "backend",
                 .pools = {{"old", {1, 20, 3}}, {"new", {4, 0, 5}}},
                 .pools_remembered = 6}};
          },
      .lookup_servers =
          [] {
            return std::vector<LookupServerFigures>{{.source = "script",
                                                     .server = "http://127.0.0.1:8080/auth",
                                                     .requests = {5, 4, 3, 2, 1, 0, 7},
                                                     .hedges = 6,
                                                     .up = false,
                                                     .durations = {1, 2},
                                                     .sum_us = 4000}};
          },
      .guesses = [] { return std::vector<GuessFigures>{{.table = "address", .entries = 3}}; },
      .pool_memory = [] { return PoolMemoryFigures{.written = 5, .failed = 2}; },
      .moves =
          [] {
            return MoveFigures{.users = {4, 3, 2, 1},
                               .results = {9, 8, 7},
                               .hooks = {6, 5, 4},
                               .hook_seconds = 2.5};
          },
      .config = [] { return ConfigInfo{"headgate.yaml", "abc", std::chrono::sys_seconds(1000s)}; },
      .certificates =
          [] {
            return std::vector<CertificateFigures>{
                {.file = "imap.pem", .not_after = std::chrono::sys_seconds(2000s)}};
          },
      .admin = admin_,
      .build = {"0.1.0", "3.0.17", "1.44.2"}}};
};

TEST_F(CollectorTest, SeriesOfFixedLabelValuesAreThereFromTheStart) {
  const std::string text = page();
  for (const char* line :
       {"headgate_connections_total{listener=\"imaps\"} 0\n",
        "headgate_sessions{listener=\"imap\",phase=\"backend_login\"} 0\n",
        "{side=\"client\",version=\"TLSv1.3\",result=\"ok\",resumed=\"yes\"} 0\n",
        "headgate_logins_total{result=\"ok\"} 0\n",
        "headgate_logins_total{result=\"wrong_credentials\"} 0\n",
        "headgate_login_duration_seconds_bucket{stage=\"total\",le=\"+Inf\"} 0\n",
        "headgate_login_duration_seconds_bucket{stage=\"tls\",le=\"0.001\"} 0\n",
        "headgate_session_duration_seconds_bucket{le=\"86400\"} 0\n",
        "headgate_relayed_bytes_total{direction=\"to_client\"} 0\n",
        "headgate_session_ends_total{reason=\"client_closed\"} 0\n",
        "headgate_limit_hits_total{limit=\"total_bytes\"} 0\n",
        "headgate_bad_commands_total 0\n",
        "headgate_guesses_refused_total{by=\"pair\"} 0\n",
        "headgate_guess_failures_total{repeated=\"yes\"} 0\n",
        "headgate_accept_errors_total{listener=\"imaps\",error=\"EMFILE\"} 0\n",
        "headgate_buffers_in_use{worker=\"1\"} 0\n",
        "headgate_bulk_sessions{worker=\"1\"} 0\n",
        "headgate_lost_sessions{worker=\"1\"} 0\n",
        "headgate_loop_lag_seconds_count{worker=\"0\"} 0\n",
        "headgate_config_info{file=\"headgate.yaml\",hash=\"abc\"} 1\n",
        "headgate_config_load_timestamp_seconds 1000\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, HasSubstr("headgate_build_info{version=\"0.1.0\",openssl=\"3.0.17\","));
}

TEST_F(CollectorTest, BackendsThatAreCheckedShowTheirHealth) {
  const std::string text = page();
  const std::string labels = "{pool=\"main\",backend=\"127.0.1.1:10143\"";
  for (const std::string& line :
       {"headgate_backend_state" + labels + ",state=\"starting\"} 1\n",
        "headgate_backend_state" + labels + ",state=\"up\"} 0\n",
        "headgate_backend_state_since_timestamp_seconds" + labels + "} 1200\n",
        "headgate_backend_weight_ratio" + labels + "} 0.3\n",
        "headgate_backend_login_p95_seconds" + labels + "} 0.25\n",
        std::string("headgate_moving_users{state=\"held\"} 1\n"),
        std::string("headgate_moved_users_total{result=\"undone\"} 7\n"),
        std::string("headgate_srv_lookups_total{pool=\"main\",result=\"failed\"} 2\n"),
        std::string("headgate_srv_answer_timestamp_seconds{pool=\"main\"} 1300\n"),
        "headgate_backend_checks_total" + labels + ",result=\"passed\"} 17\n",
        "headgate_backend_checks_total" + labels + ",result=\"failed\"} 4\n",
        "headgate_backend_check_seconds" + labels + ",stage=\"connect\"} 0.00025\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(CollectorTest, BackendsWithABoundOnLoginsShowIt) {
  workers_[0]->admission_wait.observe(30ms);
  const std::string text = page();
  const std::string labels = "{pool=\"main\",backend=\"127.0.1.1:10143\"}";
  for (const std::string& line : {"headgate_admission_limit" + labels + " 40\n",
                                  "headgate_admission_under_way" + labels + " 12\n",
                                  "headgate_admission_waiting" + labels + " 3\n",
                                  "headgate_admission_refused_total" + labels + " 9\n",
                                  std::string("headgate_admission_wait_seconds_count 1\n")}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("headgate_admission_limit{pool=\"main\",backend=\"127.0.1.2")));
}

TEST_F(CollectorTest, WorkersAreAddedUp) {
  for (const auto& worker : workers_) {
    ListenerMetrics& listener = worker->listener("imaps");
    listener.connections.add();
    listener.enter(Phase::kTlsAccept);
    listener.move(Phase::kTlsAccept, Phase::kRelay);
    listener.count_accept_error(EMFILE);
    worker->count_handshake(Side::kClient, "TLSv1.3", true, false);
    worker->count_handshake(Side::kBackend, "", false, false);
    worker->count_login_ok();
    worker->count_login_failed(dialogue::LoginFailure::kWrongCredentials);
    worker->observe(Stage::kTotal, 30ms);
    worker->count_relayed(Direction::kToClient, 1000);
    worker->count_limit(dialogue::Limit::kTime);
    worker->count_end(dialogue::CloseReason::kClientClosed, 90s);
  }
  const std::string text = page();
  for (const char* line :
       {"headgate_connections_total{listener=\"imaps\"} 2\n",
        "headgate_connections_total{listener=\"imap\"} 0\n",
        "headgate_sessions{listener=\"imaps\",phase=\"relay\"} 2\n",
        "headgate_sessions{listener=\"imaps\",phase=\"tls_accept\"} 0\n",
        "headgate_accept_errors_total{listener=\"imaps\",error=\"EMFILE\"} 2\n",
        "{side=\"client\",version=\"TLSv1.3\",result=\"ok\",resumed=\"no\"} 2\n",
        "{side=\"backend\",version=\"unknown\",result=\"failed\",resumed=\"no\"} 2\n",
        "headgate_logins_total{result=\"ok\"} 2\n",
        "headgate_logins_total{result=\"wrong_credentials\"} 2\n",
        "headgate_login_duration_seconds_count{stage=\"total\"} 2\n",
        "headgate_login_duration_seconds_sum{stage=\"total\"} 0.06",
        "headgate_login_duration_seconds_bucket{stage=\"total\",le=\"0.02\"} 0\n",
        "headgate_login_duration_seconds_bucket{stage=\"total\",le=\"0.05\"} 2\n",
        "headgate_relayed_bytes_total{direction=\"to_client\"} 2000\n",
        "headgate_limit_hits_total{limit=\"time\"} 2\n",
        "headgate_session_ends_total{reason=\"client_closed\"} 2\n",
        "headgate_session_duration_seconds_sum 180\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(CollectorTest, BackendsComeFromTheirProvider) {
  const std::string text = page();
  const std::string first = "{pool=\"main\",backend=\"127.0.1.1:10143\"} ";
  const std::string second = "{pool=\"main\",backend=\"127.0.1.2:10143\"} ";
  EXPECT_THAT(text, HasSubstr("headgate_backend_sessions" + first + "7\n"));
  EXPECT_THAT(text, HasSubstr("headgate_backend_failures_total" + first + "3\n"));
  EXPECT_THAT(text, HasSubstr("headgate_backend_up" + first + "0\n"));
  EXPECT_THAT(text, HasSubstr("headgate_backend_weight" + first + "100\n"));
  EXPECT_THAT(text, HasSubstr("headgate_backend_draining" + second + "1\n"));
  EXPECT_THAT(text, HasSubstr("headgate_backend_disabled" + second + "1\n"));
}

TEST_F(CollectorTest, AUserSourceIsCountedByItsNameAndItsBreakerComesFromItsProvider) {
  for (const auto& worker : workers_) {
    SourceMetrics& source = worker->source("sql");
    source.count(SourceResult::kTimeout);
    source.count(CacheResult::kHit);
    source.duration.observe(30ms);
    source.under_way.set(3);
    source.queued.set(4);
  }
  const std::string text = page();
  for (const char* line : {"headgate_source_results_total{source=\"sql\",result=\"timeout\"} 2\n",
                           "headgate_source_results_total{source=\"sql\",result=\"accepted\"} 0\n",
                           "headgate_source_duration_seconds_count{source=\"sql\"} 2\n",
                           "headgate_source_under_way{source=\"sql\"} 6\n",
                           "headgate_source_queued{source=\"sql\"} 8\n",
                           "headgate_source_cache_results_total{source=\"sql\",result=\"hit\"} 2\n",
                           "headgate_source_breaker_open{source=\"sql\"} 1\n",
                           "headgate_source_breaker_openings_total{source=\"sql\"} 2\n",
                           "headgate_source_cache_entries{source=\"sql\"} 42\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(CollectorTest, PoolsOfASourceThatAsksSeveralComeFromItsProvider) {
  const std::string text = page();
  const std::string logins = "headgate_source_pool_logins_total{source=\"backend\",pool=";
  for (const std::string& line :
       {logins + "\"old\",found=\"order\"} 20\n", logins + "\"new\",found=\"memory\"} 4\n",
        logins + "\"new\",found=\"trial\"} 5\n",
        std::string("headgate_source_pools_remembered{source=\"backend\"} 6\n")}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, testing::Not(HasSubstr("headgate_source_pools_remembered{source=\"sql\"}")));
}

TEST_F(CollectorTest, LookupServersComeFromTheirProvider) {
  const std::string text = page();
  const std::string labels = "{source=\"script\",server=\"http://127.0.0.1:8080/auth\"";
  EXPECT_THAT(text, HasSubstr("requests_total" + labels + ",result=\"accepted\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("requests_total" + labels + ",result=\"abandoned\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("headgate_lookup_hedges_total" + labels + "} 6\n"));
  EXPECT_THAT(text, HasSubstr("headgate_lookup_server_up" + labels + "} 0\n"));
  EXPECT_THAT(text, HasSubstr("request_duration_seconds_bucket" + labels + ",le=\"0.002\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("request_duration_seconds_sum" + labels + "} 0.004\n"));
}

TEST_F(CollectorTest, OpenDescriptorsAreThoseThatAListingShows) {
  const auto listed = [] {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all)) - 1;  // the listing's own
  };
  const std::string of_now = "headgate_process_open_fds " + std::to_string(listed());
  EXPECT_THAT(page(), HasSubstr(of_now + "\n"));
  const int more = ::dup(0);
  EXPECT_THAT(page(), Not(HasSubstr(of_now + "\n")));
  ::close(more);
  EXPECT_THAT(page(), HasSubstr(of_now + "\n"));
}

TEST_F(CollectorTest, ProcessFiguresAreThoseOfThisProcess) {
  std::map<std::string, double> values;
  for (const auto& family : collector_.Collect()) {
    values[family.name] = family.type == prometheus::MetricType::Counter
                              ? family.metric.front().counter.value
                              : family.metric.front().gauge.value;
  }
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_GT(values["headgate_process_resident_memory_bytes"], 1e6);
  EXPECT_GE(values["headgate_process_open_fds"], 3);
  EXPECT_GE(values["headgate_process_max_fds"], values["headgate_process_open_fds"]);
  EXPECT_GE(values["headgate_process_cpu_seconds_total"], 0);
  EXPECT_NEAR(values["headgate_process_start_time_seconds"], now, 300);
  EXPECT_LT(values["headgate_process_start_time_seconds"], now);
}

TEST_F(CollectorTest, ExactlyTheCatalogueIsExposedEachSeriesOnceWithItsLabels) {
  std::map<std::string_view, const Metric*> declared;
  for (const Metric& metric : kCatalog) {
    EXPECT_TRUE(metric.name.starts_with("headgate_")) << metric.name;
    EXPECT_EQ(metric.name.ends_with("_total"), metric.type == Type::kCounter) << metric.name;
    EXPECT_FALSE(metric.help.empty()) << metric.name;
    EXPECT_EQ(metric.labels.find("user"), std::string_view::npos) << metric.name;
    EXPECT_TRUE(declared.emplace(metric.name, &metric).second) << metric.name;
  }
  const auto families = collector_.Collect();
  EXPECT_EQ(families.size(), kCatalog.size());
  for (const auto& family : families) {
    ASSERT_TRUE(declared.contains(family.name)) << family.name;
    std::set<std::string> seen;
    for (const auto& series : family.metric) {
      std::string names;
      std::string identity;
      for (const auto& label : series.label) {
        names += (names.empty() ? "" : ",") + label.name;
        identity += label.value + '\0';
      }
      EXPECT_EQ(names, declared[family.name]->labels);
      EXPECT_TRUE(seen.insert(identity).second) << family.name << " " << identity;
    }
  }
}

TEST_F(CollectorTest, RequestsToTheAdminInterfaceAreCountedByTheirCode) {
  for (const int status : {200, 200, 403, 503, 418}) {
    admin_->count_request(status);
  }
  admin_->count_cut(AdminCut::kTooMany);
  admin_->connections.set(3);
  const std::string text = page();
  for (const char* line :
       {"headgate_admin_requests_total{code=\"200\"} 2\n",
        "headgate_admin_requests_total{code=\"401\"} 0\n",
        "headgate_admin_requests_total{code=\"403\"} 1\n",
        "headgate_admin_requests_total{code=\"503\"} 1\n",
        "headgate_admin_requests_total{code=\"other\"} 1\n", "headgate_admin_connections 3\n",
        "headgate_admin_connections_cut_total{cut=\"too_many\"} 1\n",
        "headgate_admin_connections_cut_total{cut=\"too_slow\"} 0\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

// What a page holds from the one before must not show.
TEST(CollectorOfAChangingClusterTest, SeriesFollowTheBackendsFromPageToPage) {
  std::vector<BackendFigures> backends;
  Collector collector(Sources{.backends = [&] { return backends; }});
  const auto sessions = [&] {
    const std::string text = collector.text();
    std::string all;
    for (const char* name : {"headgate_backend_sessions{", "headgate_admission_waiting{"}) {
      for (std::size_t at = text.find(name); at != std::string::npos;
           at = text.find(name, at + 1)) {
        all += text.substr(at + std::string_view(name).size(),
                           text.find('\n', at) - at - std::string_view(name).size()) +
               ";";
      }
    }
    return all;
  };
  EXPECT_EQ(sessions(), "");
  backends = {
      {.pool = "a", .backend = "x:1", .sessions = 1},
      {.pool = "a", .backend = "y:1", .sessions = 2, .admission = AdmissionFigures{.waiting = 7}},
      {.pool = "b", .backend = "x:1", .sessions = 3}};
  EXPECT_EQ(sessions(),
            "pool=\"a\",backend=\"x:1\"} 1;pool=\"a\",backend=\"y:1\"} 2;"
            "pool=\"b\",backend=\"x:1\"} 3;pool=\"a\",backend=\"y:1\"} 7;");
  backends.erase(backends.begin());
  backends[0].admission.reset();
  backends[1].sessions = 4;
  EXPECT_EQ(sessions(), "pool=\"a\",backend=\"y:1\"} 2;pool=\"b\",backend=\"x:1\"} 4;");
  backends.clear();
  EXPECT_EQ(sessions(), "");
}

TEST_F(CollectorTest, TheTextIsWhatTheLibraryWouldWriteOfTheSame) {
  for (const auto& worker : workers_) {
    worker->observe(Stage::kTotal, 30ms);
    worker->count_relayed(Direction::kToClient, 1000);
  }
  const auto lines = [](const std::string& text) {
    // What is of the moment of the scrape.
    static const std::regex passing("headgate_(process|metrics_scrape)_[^\n]*\n");
    return std::regex_replace(text, passing, "");
  };
  const std::string library = lines(prometheus::TextSerializer().Serialize(collector_.Collect()));
  EXPECT_EQ(lines(page()), library);
  EXPECT_EQ(lines(page()), library);
}

TEST_F(CollectorTest, EveryLineIsWellFormedAndEveryMetricHasHelpAndType) {
  const std::regex sample(R"re(([a-z0-9_]+)(\{([a-z]+="([^"\\\n]|\\.)*",?)+\})? [0-9.e+-]+)re");
  std::set<std::string> typed;
  std::istringstream lines(page());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(typed.insert(line.substr(7, line.find(' ', 7) - 7)).second) << line;
    } else if (!line.starts_with("# HELP ")) {
      std::smatch match;
      ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
      const std::string base =
          std::regex_replace(match[1].str(), std::regex("_(bucket|sum|count)$"), "");
      EXPECT_TRUE(typed.contains(match[1].str()) || typed.contains(base)) << line;
    }
  }
  EXPECT_EQ(typed.size(), kCatalog.size());
}

TEST_F(CollectorTest, PromtoolFindsNothingToSay) {
  FILE* promtool = ::popen("promtool check metrics", "w");
  ASSERT_NE(promtool, nullptr);
  const std::string text = page();
  EXPECT_EQ(std::fwrite(text.data(), 1, text.size(), promtool), text.size());
  const int status = ::pclose(promtool);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_F(CollectorTest, AScrapeWhileWorkersCountSeesWholeValuesThatNeverFall) {
  std::atomic<bool> stop{false};
  std::thread worker([&] {
    ListenerMetrics* listener = &workers_[0]->listener("imaps");
    for (int turn = 0; !stop.load(std::memory_order_relaxed); ++turn) {
      listener->connections.add();
      workers_[0]->observe(Stage::kTotal, std::chrono::microseconds(turn));
      if (turn % 1000 == 0 && turn < 20000) {
        listener = &workers_[0]->listener("listener" + std::to_string(turn));
      }
    }
  });
  double last = 0;
  for (int scrape = 0; scrape < 50; ++scrape) {
    double total = 0;
    for (const auto& family : collector_.Collect()) {
      if (family.name == "headgate_connections_total") {
        for (const auto& series : family.metric) {
          total += series.counter.value;
        }
      }
      if (family.name == "headgate_login_duration_seconds") {
        const auto& histogram = family.metric.back().histogram;
        EXPECT_GE(histogram.sample_count, histogram.bucket.back().cumulative_count);
      }
    }
    EXPECT_GE(total, last);
    last = total;
  }
  stop = true;
  worker.join();
}

TEST(Documentation, NamesEveryMetricAndEveryLabel) {
  const std::string text = documentation();
  for (const Metric& metric : kCatalog) {
    EXPECT_THAT(text, HasSubstr("| `" + std::string(metric.name) + "` | "));
    std::istringstream labels{std::string(metric.labels)};
    for (std::string label; std::getline(labels, label, ',');) {
      EXPECT_THAT(text, HasSubstr("\n| `" + label + "` | ")) << metric.name;
    }
  }
}

TEST(Documentation, TheCommittedPageIsWhatTheCatalogueSays) {
  FILE* file = std::fopen(HEADGATE_SOURCE_DIR "/docs/metrics.md", "r");
  ASSERT_NE(file, nullptr);
  std::string committed(1 << 20, '\0');
  committed.resize(std::fread(committed.data(), 1, committed.size(), file));
  std::fclose(file);
  EXPECT_EQ(committed, documentation()) << "write it anew: headgate docs metrics > docs/metrics.md";
}

}  // namespace
}  // namespace headgate::metrics
