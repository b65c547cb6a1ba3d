// For the report of a deadlock (concurrency/long_wait.h): a line on the Python code that waits.
#pragma once
#include <string>

namespace allcores::bindings {

// " of INTERPRETER: WHAT, at FILE:LINE in FUNCTION", of the thread that calls. With the GIL of the
// current interpreter. Leaves no exception; throws bad_alloc.
std::string who_waits(const std::string& what);

}  // namespace allcores::bindings
