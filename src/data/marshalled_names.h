// The names in marshalled code: the plain strings that unmarshalling will intern.
//
// For any thread; plain memory, no Python. The format is CPython's own (Python/marshal.c), of its
// versions 2 to 6; where there is anything that is not known here, the search ends.
#pragma once
#include <functional>
#include <string_view>

namespace allcores::data {

// Calls `found` for each interned string of ASCII that is longer than one character, as often as
// it comes.
void each_marshalled_name(std::string_view data,
                          const std::function<void(std::string_view)>& found);

}  // namespace allcores::data
