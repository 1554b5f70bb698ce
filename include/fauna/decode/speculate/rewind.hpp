// How a state of one size goes back to those rows of a draft that stay. Keys and values forget rows by counting; a
// recurrent state has all of them in it.
#pragma once
#include <string>

#include <fauna/core/error.hpp>

namespace fauna::inline v0 {

/// copy: the state is copied before a draft is read, and put back; rows that stay are read again, beside the next
/// draft. all_states: the pass that reads a draft keeps the state after each of its rows, and that of the last one to
/// stay is put back: no row is read twice. replay: nothing is kept, and the text is read again from its first row.
/// automatic: all_states for up to 16 rows of a text, where the memory is the host's; else copy. The ids are the same.
enum class rewinds { automatic, copy, all_states, replay };

/// The policy that is called auto, copy, all_states or replay. Throws for another name.
inline rewinds rewinds_of(std::string const& name) {
  if (name == "auto") return rewinds::automatic;
  if (name == "copy") return rewinds::copy;
  if (name == "all_states") return rewinds::all_states;
  if (name == "replay") return rewinds::replay;
  fail("speculate", "a rewind by " + name, "auto, copy, all_states or replay");
}

}  // namespace fauna::inline v0
