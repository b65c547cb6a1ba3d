// Folders that the server answers from itself: GET and HEAD of what lies in them, by a file plan,
// so with ETag, ranges and conditions. A request can't get out of a folder: segments ".", ".." and
// empty ones, escaped slashes and NUL are no names, nor is what begins with a dot (but
// .well-known), and the system opens files beneath the folder only (openat2), also by way of
// symbolic links. Constant once made; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/file_plan.h"
#include "http/request.h"
#include "http/response.h"

namespace allcores::http {

class static_files {
 public:
    static_files() = default;
    // Pairs of prefix ("/static", "/") and folder. Throws std::invalid_argument for a prefix that
    // is none, and a folder that is not there.
    explicit static_files(const std::vector<std::pair<std::string, std::string>>& folders);

    bool empty() const { return folders_.empty(); }

    // False: the application's. The longest prefix counts. What is not there is 404, but under "/"
    // the application's. `text`: memory for a body, to be kept until that is sent.
    bool answer(const request& request, response& response, std::string& text) const;

 private:
    struct folder {
        std::string prefix;                              // with a slash at its end
        std::shared_ptr<const unique_descriptor> place;  // of all copies of the options
    };
    const folder* folder_of(std::string_view path) const;

    std::vector<folder> folders_;  // the longest prefix first
};

// The name beneath a folder that the rest of a request's path means: decoded, without a slash at
// its beginning. False when it is none that may be looked for.
bool name_of_path(std::string_view raw, std::string& name);

// What opens a file where the system has no openat2 (Linux before 5.6, or a sandbox that does not
// know it): one name after the other, and no symbolic links at all. -1 with errno.
int open_step_by_step(int folder, const std::string& name);

}  // namespace allcores::http
