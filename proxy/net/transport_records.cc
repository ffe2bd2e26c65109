#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/transport.h"

// The rest of a TLS connection after take_over_records().
namespace headgate::net {

using Content = RecordProtocol::Content;
using Outcome = RecordProtocol::Outcome;

bool Transport::take_over_records() {
  if (stage_ != Stage::kOpen || tap_ == nullptr || notified_close_) {
    return false;
  }
  records_ = RecordProtocol::take_over(ssl_, *tap_);
  if (records_ == nullptr) {
    return false;
  }
  // Else OpenSSL marks the session as not to be resumed.
  SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(std::exchange(ssl_, nullptr));
  tap_.reset();
  stage_ = Stage::kRecords;
  more_inside_ = wire_.has_input();
  return true;
}

IoResult Transport::read_records(std::span<char> into) {
  SharedBio& bio = scratch_.bio_;
  const bool held_back = wire_.held_back() > 0;
  bio.attach(wire_, into.size());
  IoResult result{take_rest(into), Want::kNone};
  for (unsigned records = 0;
       result.bytes < into.size() && result.want == Want::kNone && records < kRecordsARead;
       ++records) {
    const std::span<char> room = into.subspan(result.bytes);
    const RecordProtocol::Opened opened = records_->open(bio.received(), room);
    bio.use(opened.used);
    if (opened.outcome == Outcome::kData) {
      result.bytes += take_plain({opened.text, opened.plain}, room);
    } else if (opened.outcome == Outcome::kIncomplete) {
      if (!wire_.drained() && bio.input() == 0 && result.bytes > 0 && room.size() < kMaxRecord) {
        break;  // enough to go on with: what little fits is not worth a recv()
      }
      bio.set_room(room.size());
      const Want want = wire_.drained() ? Want::kRead : bio.receive_more();
      result.want = want == Want::kClosed ? Want::kFailed : want;
    } else {
      result.want = opened.outcome == Outcome::kClosed ? Want::kClosed : Want::kFailed;
    }
  }
  if (records_->error() != nullptr) {
    seal_alert();
    stage_ = Stage::kBroken;
  }
  // Session tickets go on waiting for our next words.
  bio.detach(held_back && stage_ != Stage::kBroken ? SharedBio::Rest::kHoldBack
                                                   : SharedBio::Rest::kSend);
  more_inside_ = result.want == Want::kNone;
  if (!more_inside_) {
    wire_.await_poll();
  }
  return result;
}

// Plain text lies where it belongs, unless there was too little room for all that a record may
// hold.
std::size_t Transport::take_plain(std::string_view text, std::span<char> into) {
  if (text.data() == into.data()) {
    return text.size();
  }
  const std::size_t taken = std::min(text.size(), into.size());
  std::copy_n(text.begin(), taken, into.begin());
  if (taken < text.size()) {
    rest_ = std::make_unique<std::string>(text.substr(taken));
  }
  return taken;
}

std::size_t Transport::take_rest(std::span<char> into) {
  if (rest_ == nullptr) {
    return 0;
  }
  const std::unique_ptr<std::string> rest = std::move(rest_);
  return take_plain(*rest, into);
}

IoResult Transport::write_records(std::string_view from, bool end_follows) {
  if (notified_close_) {
    return {0, Want::kFailed};
  }
  if (wire_.unsent() > 0) {
    if (const Want want = wire_.flush(); want != Want::kNone) {
      return {0, want};
    }
  }
  scratch_.bio_.attach(wire_, 0);
  IoResult result;
  while (result.bytes < from.size() && wire_.unsent() == 0 && !wire_.send_failed()) {
    const std::string_view some = from.substr(result.bytes, kGatherPlain);
    if (!seal(some)) {
      stage_ = Stage::kBroken;
      result.want = Want::kFailed;
      break;
    }
    result.bytes += some.size();
    if (result.bytes < from.size()) {
      scratch_.bio_.send();
    }
  }
  scratch_.bio_.detach(end_follows ? SharedBio::Rest::kSendBeforeEnd : SharedBio::Rest::kSend);
  if (wire_.send_failed()) {
    result.want = Want::kFailed;
  } else if (result.want == Want::kNone && wire_.unsent() > 0) {
    result.want = Want::kWrite;
  }
  return result;
}

// False when the cipher failed.
bool Transport::seal(std::string_view plain) {
  SharedBio& bio = scratch_.bio_;
  while (!plain.empty()) {
    if (records_->update_due()) {
      const std::size_t size = records_->seal_update(bio.space(RecordProtocol::kUpdateSize));
      if (size == 0) {
        return false;
      }
      bio.gathered(size);
    }
    const std::string_view piece = plain.substr(0, kMaxRecord);
    char* const out = bio.space(piece.size() + RecordProtocol::kOverhead);
    const std::size_t size = records_->seal(Content::kApplicationData, piece, out);
    if (size == 0) {
      return false;
    }
    bio.gathered(size);
    plain.remove_prefix(piece.size());
  }
  return true;
}

// close_notify, or what the peer is told of its mistake; an alert of its own is not answered.
void Transport::seal_alert() {
  const std::string_view alert = records_->alert();
  if (!alert.empty()) {
    char* const out = scratch_.bio_.space(alert.size() + RecordProtocol::kOverhead);
    scratch_.bio_.gathered(records_->seal(Content::kAlert, alert, out));
  }
}

}  // namespace headgate::net
