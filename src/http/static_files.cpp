#include "http/static_files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "http/conditional.h"
#include "http/media_type.h"
#include "http/syntax.h"

namespace allcores::http {

namespace {

constexpr int how_to_open = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
constexpr int most_tries = 8;  // while somebody renames folders on the way

}  // namespace

int open_step_by_step(int folder, const std::string& name) {
    unique_descriptor at(::fcntl(folder, F_DUPFD_CLOEXEC, 3));
    std::size_t begin = 0;
    while (at) {
        const std::size_t end = name.find('/', begin);
        const std::string part = name.substr(begin, end - begin);
        if (end == std::string::npos) {
            return ::openat(at.get(), part.c_str(), how_to_open | O_NOFOLLOW);
        }
        at.reset(::openat(at.get(), part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        begin = end + 1;
    }
    return -1;
}

namespace {

// -1 with errno.
int open_beneath(int folder, const std::string& name) {
    open_how how{};
    how.flags = how_to_open;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    for (int i = 0; i < most_tries; ++i) {
        const auto opened =
            static_cast<int>(::syscall(SYS_openat2, folder, name.c_str(), &how, sizeof how));
        if (opened >= 0) return opened;
        if (errno == ENOSYS || errno == EPERM) return open_step_by_step(folder, name);
        if (errno != EAGAIN && errno != EINTR) break;
    }
    return -1;
}

bool is_folder(int descriptor) {
    struct stat status;
    return ::fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode);
}

// With a prefix of "/" the application is asked for what is not there.
bool refuse(response& response, int status, bool is_last_word, std::string_view text) {
    if (!is_last_word) return false;
    response.status(status);
    response.content_type("text/plain; charset=utf-8");
    response.permanent_body(text);
    return true;
}

int status_of_errno(int number) {
    switch (number) {
        case EACCES:
            return 403;
        case EMFILE:
        case ENFILE:
        case ENOMEM:
            return 503;
        default:
            return 404;
    }
}

std::string_view text_of(int status) {
    return status == 403   ? "Forbidden\n"
           : status == 503 ? "Service Unavailable\n"
           : status == 405 ? "Method Not Allowed\n"
                           : "Not Found\n";
}

}  // namespace

bool name_of_path(std::string_view raw, std::string& name) {
    name.clear();
    for (std::size_t i = 0; i < raw.size(); ++i) {
        char each = raw[i];
        if (each == '%') {
            const int high = i + 2 < raw.size() ? hex_value(raw[i + 1]) : -1;
            const int low = high >= 0 ? hex_value(raw[i + 2]) : -1;
            if (low < 0) return false;
            each = static_cast<char>(high * 16 + low);
            if (each == '/' || each == '\0') return false;
            i += 2;
        }
        name.push_back(each);
    }
    // "a/b" and "a/b/" have good segments; nothing, and the folder itself, are fine too.
    std::string_view left = name;
    while (!left.empty()) {
        const std::size_t end = left.find('/');
        const std::string_view segment = left.substr(0, end);
        if (segment.empty() || (segment.front() == '.' && segment != ".well-known")) return false;
        if (end == std::string_view::npos) break;
        left.remove_prefix(end + 1);
    }
    return true;
}

static_files::static_files(const std::vector<std::pair<std::string, std::string>>& folders) {
    for (const auto& [prefix, path] : folders) {
        if (!prefix.starts_with('/')) {
            throw std::invalid_argument("the prefix '" + prefix + "' does not begin with '/'");
        }
        folder made;
        made.prefix = prefix.ends_with('/') ? prefix : prefix + "/";
        made.place = std::make_shared<const unique_descriptor>(
            ::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!*made.place) throw std::invalid_argument("there is no folder '" + path + "'");
        folders_.push_back(std::move(made));
    }
    std::ranges::stable_sort(folders_, [](const folder& one, const folder& other) {
        return one.prefix.size() > other.prefix.size();
    });
}

const static_files::folder* static_files::folder_of(std::string_view path) const {
    for (const folder& each : folders_) {
        const std::string_view prefix = each.prefix;
        if (path.starts_with(prefix) || path == prefix.substr(0, prefix.size() - 1)) return &each;
    }
    return nullptr;
}

bool static_files::answer(const request& request, response& response, std::string& text) const {
    const folder* found = folder_of(request.path);
    if (found == nullptr) return false;
    const bool is_last_word = found->prefix != "/";
    if (request.method != "GET" && request.method != "HEAD") {
        if (is_last_word) response.header("Allow", "GET, HEAD");
        return refuse(response, 405, is_last_word, text_of(405));
    }
    const auto fails = [&](int status) {
        return refuse(response, status, is_last_word, text_of(status));
    };
    std::string name;
    const std::string_view rest =
        request.path.substr(std::min(found->prefix.size(), request.path.size()));
    if (!name_of_path(rest, name)) return fails(404);
    const bool names_folder = request.path.ends_with('/');
    if (names_folder) name.append("index.html");
    unique_descriptor opened(
        open_beneath(found->place->get(), name.empty() ? std::string(".") : name));
    if (!opened) return fails(status_of_errno(errno));
    if (!names_folder && is_folder(opened.get())) {
        // Relative links of its page need the slash; without a page there is nothing to see.
        const std::string page = name.empty() ? "index.html" : name + "/index.html";
        if (!unique_descriptor(open_beneath(found->place->get(), page))) return fails(404);
        // Relative, since the client's path may have a prefix that a proxy has taken away. ("./",
        // since "a:b/" would be of a scheme "a".)
        text.assign("./").append(request.path.substr(request.path.rfind('/') + 1)).push_back('/');
        if (!request.query.empty()) text.append("?").append(request.query);
        if (!is_field_value(text)) return fails(404);
        response.status(301);
        response.header("Location", text);
        return true;
    }
    std::expected<regular_file, file_error> file = regular_file::adopt(std::move(opened));
    if (!file) return fails(status_of(file.error()));
    file_options options;
    options.content_type = media_type(name);
    request_conditions conditions;
    for (const field& each : request.headers) conditions.add(each.name, each.value);
    std::expected<file_plan, file_error> plan =
        file_plan::make(std::move(*file), options, request.method, conditions);
    if (!plan) return fails(status_of(plan.error()));
    response.file(std::move(*plan));
    return true;
}

}  // namespace allcores::http
