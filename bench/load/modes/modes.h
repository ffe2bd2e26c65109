#pragma once

#include "load/bench.h"
#include "load/report.h"

namespace headgate::bench {

// One function a kind of work, each in a file of its name. It runs the loop and fills the report;
// whatever went otherwise than it should is a failure there.

void run_login(Bench& bench, Report& report);   // connect, log in, log out, again
void run_fetch(Bench& bench, Report& report);   // fetch one message after the other
void run_append(Bench& bench, Report& report);  // append one message after the other
void run_noop(Bench& bench, Report& report);   // NOOP ping-pong: the next when the last is answered
void run_rate(Bench& bench, Report& report);   // NOOPs at a fixed rate, answered or not
void run_idle(Bench& bench, Report& report);   // IDLE, pushes counted and timed
void run_hold(Bench& bench, Report& report);   // memory of sessions that do nothing
void run_storm(Bench& bench, Report& report);  // all sessions come back at once

}  // namespace headgate::bench
