#include "sources/pam_helper.h"

#include <security/pam_appl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <span>

namespace headgate::sources {
namespace {

constexpr int kMostQuestions = 1000;

// Words with a NUL behind each.
bool split(std::string_view text, std::span<std::string_view> words) {
  for (std::string_view& word : words) {
    const std::size_t end = text.find('\0');
    if (end == text.npos) {
      return false;
    }
    word = text.substr(0, end);
    text.remove_prefix(end + 1);
  }
  return text.empty();
}

// Gives the password to whatever asks for something that is not shown, and nothing to the rest: a
// module that wants more than a password, a one-time code say, fails.
int converse(int count, const pam_message** messages, pam_response** responses, void* password) {
  if (count <= 0 || count > PAM_MAX_NUM_MSG) {
    return PAM_CONV_ERR;
  }
  // PAM frees it, and overwrites nothing.
  auto* all = static_cast<pam_response*>(
      std::calloc(static_cast<std::size_t>(count), sizeof(pam_response)));
  if (all == nullptr) {
    return PAM_BUF_ERR;
  }
  for (int i = 0; i < count; ++i) {
    if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF) {
      all[i].resp = ::strdup(static_cast<const char*>(password));
    } else if (messages[i]->msg_style == PAM_PROMPT_ECHO_ON) {
      for (int j = 0; j < i; ++j) {
        if (all[j].resp != nullptr) {
          wipe(all[j].resp, std::strlen(all[j].resp));
          std::free(all[j].resp);
        }
      }
      std::free(all);
      return PAM_CONV_ERR;
    }
  }
  *responses = all;
  return PAM_SUCCESS;
}

// Failed logins wait in Headgate, where that costs no process.
void no_delay(int /*result*/, unsigned /*microseconds*/, void* /*data*/) {}

// `known`: the password was right, so that the user may be told what is wrong with the account.
PamVerdict verdict_of(int result, bool known) {
  switch (result) {
    case PAM_SUCCESS:
      return PamVerdict::kAccepted;
    case PAM_USER_UNKNOWN:
      return PamVerdict::kUnknown;
    case PAM_NEW_AUTHTOK_REQD:
    case PAM_AUTHTOK_EXPIRED:
    case PAM_CRED_EXPIRED:
      return PamVerdict::kExpired;
    case PAM_AUTH_ERR:  // what pam_deny says of an account as well
    case PAM_MAXTRIES:
    case PAM_CRED_INSUFFICIENT:
    case PAM_ACCT_EXPIRED:
    case PAM_PERM_DENIED:
      return known ? PamVerdict::kDisabled : PamVerdict::kWrong;
    default:
      return PamVerdict::kFailed;
  }
}

PamAnswer authenticate(pam_handle_t* handle, const std::string& client) {
  ::pam_set_item(handle, PAM_RHOST, client.c_str());
  ::pam_set_item(handle, PAM_TTY, "headgate");
  // A function passes as a pointer to an object here; POSIX systems can do that.
  ::pam_set_item(handle, PAM_FAIL_DELAY, reinterpret_cast<const void*>(&no_delay));
  int result = ::pam_authenticate(handle, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
  const bool known = result == PAM_SUCCESS;
  if (known) {
    result = ::pam_acct_mgmt(handle, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
  }
  return {verdict_of(result, known), ::pam_strerror(handle, result)};
}

PamAnswer ask(const PamQuestion& question, const std::string& service,
              const std::string& directory) {
  Secret password(question.password);
  password.append('\0');
  // The conversation takes it as not const and does not change it.
  const pam_conv conversation{.conv = converse,
                              .appdata_ptr = const_cast<char*>(password.view().data())};
  const std::string user(question.user);
  pam_handle_t* handle = nullptr;
  const int result = directory.empty()
                         ? ::pam_start(service.c_str(), user.c_str(), &conversation, &handle)
                         : ::pam_start_confdir(service.c_str(), user.c_str(), &conversation,
                                               directory.c_str(), &handle);
  if (result != PAM_SUCCESS) {
    return {PamVerdict::kFailed, "pam_start failed"};
  }
  PamAnswer answer = authenticate(handle, std::string(question.client));
  const void* name = nullptr;
  if (answer.verdict == PamVerdict::kAccepted) {
    ::pam_get_item(handle, PAM_USER, &name);
    answer.text = name == nullptr ? user : static_cast<const char*>(name);
  }
  ::pam_end(handle, answer.verdict == PamVerdict::kAccepted ? PAM_SUCCESS : PAM_AUTH_ERR);
  return answer;
}

}  // namespace

Secret encode(const PamQuestion& question) {
  Secret message;
  for (const std::string_view word : {question.user, question.client, question.password}) {
    message.append(word);
    message.append('\0');
  }
  return message;
}

Secret encode(const PamAnswer& answer) {
  Secret message;
  message.append(static_cast<char>('0' + static_cast<int>(answer.verdict)));
  message.append(answer.text);
  return message;
}

bool decode(std::string_view message, PamQuestion& question) {
  std::array<std::string_view, 3> words;
  if (!split(message, words)) {
    return false;
  }
  question = {.user = words[0], .client = words[1], .password = words[2]};
  return true;
}

bool decode(std::string_view message, PamAnswer& answer) {
  if (message.empty() || message[0] < '0' ||
      message[0] > static_cast<char>('0' + static_cast<int>(PamVerdict::kFailed))) {
    return false;
  }
  answer = {static_cast<PamVerdict>(message[0] - '0'), std::string(message.substr(1))};
  return true;
}

int run_pam_helper(int socket, const std::string& service, const std::string& directory) {
  // Ends with the thread that started it, should that end without closing the socket.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::array<char, kLargestPamMessage> buffer;
  // What modules leak goes with the process.
  for (int left = kMostQuestions; left > 0;) {
    const ssize_t size = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size <= 0) {
      return size == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    PamQuestion question;
    const std::string_view message(buffer.data(), static_cast<std::size_t>(size));
    PamAnswer answer{PamVerdict::kFailed, "not a question"};
    if (decode(message, question)) {
      answer = ask(question, service, directory);
    }
    wipe(buffer.data(), message.size());
    const Secret reply = encode(answer);
    if (::send(socket, reply.view().data(), reply.size(), MSG_NOSIGNAL) < 0) {
      return EXIT_FAILURE;
    }
    --left;
  }
  return EXIT_SUCCESS;
}

}  // namespace headgate::sources
