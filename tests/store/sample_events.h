// Events for tests of what is stored.
#ifndef HALVING_TESTS_STORE_SAMPLE_EVENTS_H_
#define HALVING_TESTS_STORE_SAMPLE_EVENTS_H_

#include <string>
#include <vector>

#include "server/core/events.h"

namespace halving {

// One of each durable kind, in the order of the journal's numbers, with no field at its default.
std::vector<Event> OneOfEachKind();

// The kind's name: "StudyCreated".
std::string KindOf(const Event& event);

// The event with each NaN replaced by a number that occurs nowhere else, so that == compares it.
Event ComparableNan(Event event);

// `count` small events, told apart by their numbers from `first` on.
std::vector<Event> SmallEvents(int first, int count);

}  // namespace halving

#endif  // HALVING_TESTS_STORE_SAMPLE_EVENTS_H_
