#include "metrics/text_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

namespace headgate::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

std::string by_the_library(const std::vector<MetricFamily>& families) {
  return prometheus::TextSerializer().Serialize(families);
}

MetricFamily gauge(double value, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric series;
  series.label = std::move(labels);
  series.gauge.value = value;
  return {.name = "one", .help = "Help.", .type = MetricType::Gauge, .metric = {series}};
}

// The last word of the page's last line.
std::string figure(double value) {
  const std::string page = to_text({gauge(value)}, 0);
  return page.substr(page.rfind(' ') + 1);
}

TEST(TextWriterTest, WritesWhatTheLibraryWrites) {
  MetricFamily counter = gauge(0, {{"pool", "main"}, {"backend", "mail1.example.org:993"}});
  counter.type = MetricType::Counter;
  counter.metric[0].counter.value = 123456789;
  MetricFamily histogram = {
      .name = "two", .help = "Time.", .type = MetricType::Histogram, .metric = {}};
  ClientMetric series;
  series.histogram = {
      .sample_count = 9, .sample_sum = 2.5, .bucket = {{3, 0.001}, {5, 0.25}, {8, 10}}};
  histogram.metric = {series, series};
  histogram.metric[1].label = {{"stage", "tls"}};
  const std::vector<MetricFamily> families = {counter, histogram, gauge(0.5), gauge(-3)};
  EXPECT_EQ(to_text(families, 0), by_the_library(families));
  EXPECT_EQ(to_text(families, 1), to_text(families, 100'000));
}

TEST(TextWriterTest, ABucketForAllIsNotWrittenTwice) {
  MetricFamily histogram = {
      .name = "two", .help = "Time.", .type = MetricType::Histogram, .metric = {{}}};
  histogram.metric[0].histogram = {
      .sample_count = 9, .sample_sum = 1, .bucket = {{3, 1}, {9, INFINITY}}};
  EXPECT_EQ(to_text({histogram}, 0), by_the_library({histogram}));
}

TEST(TextWriterTest, EscapesWhatTheFormatCannotHold) {
  for (const char* value : {"", "\"", "\\", "\n", "a\"b", "\\\\\"\"\n\nz", "C:\\dir\\", "Grüße"}) {
    const MetricFamily family = gauge(1, {{"name", value}, {"other", ""}});
    EXPECT_EQ(to_text({family}, 0), by_the_library({family})) << value;
  }
  EXPECT_THAT(to_text({gauge(1, {{"name", "a\"b\\c\nd"}})}, 0),
              testing::HasSubstr("one{name=\"a\\\"b\\\\c\\nd\"} 1\n"));
  MetricFamily helped = gauge(1);
  helped.help = "a\"b\\c\nd";  // the library forgets these
  EXPECT_THAT(to_text({helped}, 0), testing::StartsWith("# HELP one a\"b\\\\c\\nd\n"));
}

TEST(TextWriterTest, FiguresAreExact) {
  EXPECT_EQ(figure(0), "0\n");
  EXPECT_EQ(figure(1732399200), "1732399200\n");
  EXPECT_EQ(figure(9007199254740991), "9007199254740991\n");
  EXPECT_EQ(figure(0.1), "0.1\n");
  EXPECT_EQ(figure(0.00025), "0.00025\n");
  EXPECT_EQ(figure(0.0001), "0.0001\n");  // bounds of buckets are names of series
  EXPECT_EQ(figure(INFINITY), "+Inf\n");
  EXPECT_EQ(figure(-INFINITY), "-Inf\n");
  EXPECT_EQ(figure(NAN), "NaN\n");
  for (const double value :
       {1.0 / 3, 1e17, 1e300, 123456.789, -2.5e-7, 9007199254740993.0,
        std::numeric_limits<double>::lowest(), std::numeric_limits<double>::denorm_min()}) {
    EXPECT_EQ(std::strtod(figure(value).c_str(), nullptr), value) << value;
  }
}

TEST(TextWriterTest, AFamilyWithoutSeriesIsLeftOut) {
  MetricFamily empty = gauge(1);
  empty.metric.clear();
  EXPECT_EQ(to_text({empty}, 0), "");
}

}  // namespace
}  // namespace headgate::metrics
