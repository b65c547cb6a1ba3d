#include "http/file_plan.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "http/date.h"

namespace allcores::http {
namespace {

constexpr std::int64_t changed = 784111777;
constexpr std::int64_t now = changed + 1000;
using fields = std::vector<std::pair<std::string, std::string>>;

// A file of a thousand letters in a folder of its own, last changed at a known time.
class file_plans : public testing::Test {
 protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "/file_plan_XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
        for (int i = 0; i < 1000; ++i) content_.push_back(static_cast<char>('a' + i % 26));
        path_ = write("letters.txt", content_);
    }

    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string write(const std::string& name, const std::string& content) {
        const std::string path = folder_ + "/" + name;
        std::ofstream(path, std::ios::binary) << content;
        touch(path, changed, 5);
        return path;
    }

    static void touch(const std::string& path, std::int64_t seconds, long nanoseconds) {
        const timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
        ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
    }

    std::expected<file_plan, file_error> plan(const fields& header = {}, file_options options = {},
                                              std::string_view method = "GET") {
        request_conditions conditions;
        for (const auto& [name, value] : header) conditions.add(name, value);
        auto file = regular_file::open(path_);
        EXPECT_TRUE(file);
        return file_plan::make(std::move(*file), options, method, conditions, now);
    }

    // What a server would send for the plan.
    static std::string body(const file_plan& plan) {
        std::string result;
        for (const body_segment& segment : plan.segments()) {
            if (const auto* part = std::get_if<byte_range>(&segment)) {
                std::string bytes(part->length, '?');
                EXPECT_EQ(pread(plan.descriptor(), bytes.data(), bytes.size(),
                                static_cast<off_t>(part->offset)),
                          static_cast<ssize_t>(bytes.size()));
                result += bytes;
            } else {
                result += std::get<std::string>(segment);
            }
        }
        return result;
    }

    static std::string field(const file_plan& plan, std::string_view name) {
        std::string found;
        for (const auto& [each, value] : plan.fields()) {
            if (each == name) found += (found.empty() ? "" : "|") + value;
        }
        return found;
    }

    std::string folder_, path_, content_;
};

TEST_F(file_plans, the_whole_file) {
    const auto answer = plan({}, {.content_type = "text/plain"});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 200);
    EXPECT_EQ(answer->content_length(), 1000);
    EXPECT_EQ(body(*answer), content_);
    EXPECT_EQ(field(*answer, "Content-Type"), "text/plain");
    EXPECT_EQ(field(*answer, "Last-Modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(field(*answer, "Accept-Ranges"), "bytes");
    EXPECT_TRUE(is_etag(field(*answer, "ETag")));
    EXPECT_EQ(field(*answer, "Content-Range"), "");
}

TEST_F(file_plans, head_has_the_length_and_no_segments) {
    const auto answer = plan({{"Range", "bytes=0-1"}}, {}, "HEAD");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 200);  // ranges are for GET only
    EXPECT_EQ(answer->content_length(), 1000);
    EXPECT_TRUE(answer->segments().empty());
    EXPECT_EQ(answer->descriptor(), -1);
}

TEST_F(file_plans, one_range) {
    const auto answer = plan({{"Range", "bytes=10-19"}});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 206);
    EXPECT_EQ(answer->content_length(), 10);
    EXPECT_EQ(body(*answer), content_.substr(10, 10));
    EXPECT_EQ(field(*answer, "Content-Range"), "bytes 10-19/1000");
}

TEST_F(file_plans, several_ranges) {
    const auto answer = plan({{"Range", "bytes=0-4,500-504,-5"}}, {.content_type = "text/plain"});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 206);
    EXPECT_EQ(field(*answer, "Content-Range"), "");
    const std::string type = field(*answer, "Content-Type");
    const std::string start = "multipart/byteranges; boundary=";
    ASSERT_TRUE(type.starts_with(start)) << type;
    const std::string boundary = type.substr(start.size());
    EXPECT_EQ(boundary.size(), 32);
    std::string expected;
    for (const auto& [offset, range] : {std::pair{0, "0-4"}, {500, "500-504"}, {995, "995-999"}}) {
        expected += (offset == 0 ? "--" : "\r\n--") + boundary +
                    "\r\nContent-Type: text/plain\r\n" + "Content-Range: bytes " + range +
                    "/1000\r\n\r\n" + content_.substr(static_cast<std::size_t>(offset), 5);
    }
    expected += "\r\n--" + boundary + "--\r\n";
    EXPECT_EQ(body(*answer), expected);
    EXPECT_EQ(answer->content_length(), expected.size());
}

TEST_F(file_plans, boundaries_differ) {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) seen.insert(make_boundary());
    EXPECT_EQ(seen.size(), 100);
}

TEST_F(file_plans, unsatisfiable_range) {
    const auto answer = plan({{"Range", "bytes=1000-"}}, {.extra = {{"Cache-Control", "public"}}});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 416);
    EXPECT_EQ(field(*answer, "Content-Range"), "bytes */1000");
    EXPECT_EQ(field(*answer, "Cache-Control"), "");  // an error is not to be kept
    EXPECT_EQ(answer->content_length(), 0);
    EXPECT_TRUE(answer->segments().empty());
    EXPECT_EQ(answer->descriptor(), -1);
}

TEST_F(file_plans, a_malformed_range_is_ignored) {
    const auto answer = plan({{"Range", "bytes=9-1"}});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 200);
    EXPECT_EQ(body(*answer), content_);
}

TEST_F(file_plans, conditions) {
    const std::string etag = field(*plan(), "ETag");
    struct row {
        fields header;
        int status;
    };
    for (const row& each : {
             row{{{"If-None-Match", etag}}, 304},
             row{{{"If-None-Match", "\"other\""}}, 200},
             row{{{"If-Match", etag}}, 200},
             row{{{"If-Match", "\"other\""}}, 412},
             row{{{"If-Modified-Since", format_date(changed)}}, 304},
             row{{{"If-Modified-Since", format_date(changed - 1)}}, 200},
             row{{{"If-Unmodified-Since", format_date(changed - 1)}}, 412},
             row{{{"Range", "bytes=0-1"}, {"If-None-Match", etag}}, 304},
             row{{{"Range", "bytes=0-1"}, {"If-Match", "\"other\""}}, 412},
             row{{{"Range", "bytes=0-1"}, {"If-Range", etag}}, 206},
             row{{{"Range", "bytes=0-1"}, {"If-Range", "\"other\""}}, 200},
             row{{{"Range", "bytes=0-1"}, {"If-Range", format_date(changed)}}, 206},
             row{{{"Range", "bytes=0-1"}, {"If-Range", format_date(changed + 1)}}, 200},
             row{{{"Range", "bytes=5000-"}, {"If-Range", "\"other\""}}, 200},
         }) {
        const auto answer = plan(each.header);
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->status(), each.status) << each.header.front().second;
    }
}

TEST_F(file_plans, not_modified_says_what_is_still_true) {
    const std::string etag = field(*plan(), "ETag");
    const auto answer = plan({{"If-None-Match", etag}}, {.extra = {{"Cache-Control", "max-age=9"},
                                                                   {"Content-Encoding", "gzip"},
                                                                   {"Vary", "Accept"}}});
    ASSERT_TRUE(answer);
    EXPECT_EQ(field(*answer, "ETag"), etag);
    EXPECT_EQ(field(*answer, "Cache-Control"), "max-age=9");
    EXPECT_EQ(field(*answer, "Vary"), "Accept");
    EXPECT_EQ(field(*answer, "Content-Encoding"), "");
    EXPECT_EQ(field(*answer, "Content-Type"), "");
    EXPECT_TRUE(answer->segments().empty());
    EXPECT_EQ(answer->descriptor(), -1);
}

TEST_F(file_plans, other_methods_get_everything) {
    const auto answer = plan({{"Range", "bytes=0-1"}, {"If-Match", "\"other\""}}, {}, "POST");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 200);
    EXPECT_EQ(answer->content_length(), 1000);
}

TEST_F(file_plans, another_status_is_sent_whole) {
    const auto answer = plan({{"Range", "bytes=0-1"}, {"If-None-Match", "*"}}, {.status = 404});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 404);
    EXPECT_EQ(body(*answer), content_);
    EXPECT_EQ(field(*answer, "Accept-Ranges"), "");
}

TEST_F(file_plans, a_part_of_the_file) {
    const file_options options{.offset = 100, .length = 50};
    const auto answer = plan({}, options);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->content_length(), 50);
    EXPECT_EQ(body(*answer), content_.substr(100, 50));

    const auto partial = plan({{"Range", "bytes=-10"}}, options);
    ASSERT_TRUE(partial);
    EXPECT_EQ(field(*partial, "Content-Range"), "bytes 40-49/50");
    EXPECT_EQ(body(*partial), content_.substr(140, 10));

    const auto several = plan({{"Range", "bytes=0-0,49-"}}, {.offset = 100, .length = 200});
    ASSERT_TRUE(several);
    EXPECT_EQ(several->status(), 206);
    EXPECT_EQ(several->segments().size(), 1) << "near parts are one";

    EXPECT_EQ(plan({{"Range", "bytes=50-"}}, options)->status(), 416);
    EXPECT_EQ(plan({}, {.offset = 1000})->content_length(), 0);
    EXPECT_EQ(plan({}, {.offset = 1001}).error(), file_error::outside);
    EXPECT_EQ(plan({}, {.offset = 500, .length = 501}).error(), file_error::outside);
    EXPECT_EQ(plan({}, {.offset = 1, .length = UINT64_MAX}).error(), file_error::outside);
}

TEST_F(file_plans, entity_tags_tell_files_and_parts_apart) {
    std::set<std::string> seen;
    seen.insert(field(*plan(), "ETag"));
    seen.insert(field(*plan({}, {.offset = 1}), "ETag"));
    seen.insert(field(*plan({}, {.length = 999}), "ETag"));
    EXPECT_EQ(field(*plan({}, {.length = 1000}), "ETag"), field(*plan(), "ETag"));
    touch(path_, changed, 6);
    seen.insert(field(*plan(), "ETag"));
    path_ = write("other.txt", content_);
    seen.insert(field(*plan(), "ETag"));
    EXPECT_EQ(seen.size(), 5);
}

TEST_F(file_plans, validators_can_be_given) {
    const auto own = plan({}, {.etag = "\"v1\"", .last_modified = 0});
    EXPECT_EQ(field(*own, "ETag"), "\"v1\"");
    EXPECT_EQ(field(*own, "Last-Modified"), "Thu, 01 Jan 1970 00:00:00 GMT");
    const auto none = plan({{"If-None-Match", "\"v1\""}}, {.etag = std::nullopt});
    EXPECT_EQ(none->status(), 200);
    EXPECT_EQ(field(*none, "ETag"), "");
    const auto future = plan({}, {.last_modified = now + 5000});
    EXPECT_EQ(field(*future, "Last-Modified"), format_date(now));
}

TEST_F(file_plans, what_would_break_the_header_is_refused) {
    for (const file_options& options : {
             file_options{.content_type = "text/plain\r\nX: y"},
             file_options{.content_type = std::string("a\0b", 3)},
             file_options{.etag = "v1"},
             file_options{.etag = "\"a\r\n\""},
             file_options{.extra = {{"X Y", "z"}}},
             file_options{.extra = {{"", "z"}}},
             file_options{.extra = {{"X", "a\nb"}}},
             file_options{.extra = {{"X", " a"}}},
             file_options{.extra = {{"Content-Length", "5"}}},
             file_options{.extra = {{"transfer-encoding", "chunked"}}},
             file_options{.status = 100},
             file_options{.status = 204},
             file_options{.status = 206},
             file_options{.status = 304},
             file_options{.status = 600},
         }) {
        const auto answer = plan({}, options);
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error(), file_error::invalid);
    }
    EXPECT_TRUE(plan({}, {.extra = {{"X-Y", "a \t b"}, {"Z", ""}, {"Q", "é"}}}));
}

TEST_F(file_plans, an_empty_file) {
    path_ = write("empty", "");
    const auto answer = plan();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 200);
    EXPECT_EQ(answer->content_length(), 0);
    EXPECT_TRUE(answer->segments().empty());
    EXPECT_EQ(plan({{"Range", "bytes=0-"}})->status(), 416);
    EXPECT_EQ(plan({{"Range", "bytes=-5"}})->status(), 200);
}

TEST_F(file_plans, only_regular_files_open) {
    EXPECT_EQ(regular_file::open(folder_ + "/none").error(), file_error::not_found);
    EXPECT_EQ(regular_file::open("").error(), file_error::not_found);
    EXPECT_EQ(regular_file::open(path_ + "/x").error(), file_error::not_found);
    EXPECT_EQ(regular_file::open(folder_ + "/" + std::string(300, 'x')).error(),
              file_error::not_found);
    EXPECT_EQ(regular_file::open(path_ + std::string("\0", 1)).error(), file_error::not_found);
    EXPECT_EQ(regular_file::open(folder_).error(), file_error::not_regular);
    EXPECT_EQ(regular_file::open("/dev/null").error(), file_error::not_regular);
    EXPECT_EQ(regular_file::adopt(unique_descriptor()).error(), file_error::failed);

    const std::string fifo = folder_ + "/fifo";
    ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_EQ(regular_file::open(fifo).error(), file_error::not_regular);  // and does not wait

    const std::string loop = folder_ + "/loop";
    std::filesystem::create_symlink(loop, loop);
    EXPECT_EQ(regular_file::open(loop).error(), file_error::not_found);

    sockaddr_un address{.sun_family = AF_UNIX};
    const std::string socket_path = folder_ + "/s";
    if (socket_path.size() < sizeof address.sun_path) {
        std::ranges::copy(socket_path, address.sun_path);
        const unique_descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
        ASSERT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(regular_file::open(socket_path).error(), file_error::not_regular);
    }
}

TEST_F(file_plans, no_permission) {
    if (geteuid() == 0) {
        // Root may read everything, so the same question as somebody else, in a process of its own.
        std::filesystem::permissions(folder_, std::filesystem::perms::all);
    }
    std::filesystem::permissions(path_, std::filesystem::perms::none);
    const pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) != 0) _exit(2);
        const auto file = regular_file::open(path_);
        _exit(!file && file.error() == file_error::forbidden ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST_F(file_plans, relative_paths_count_from_the_folder) {
    const unique_descriptor folder(open(folder_.c_str(), O_DIRECTORY | O_CLOEXEC));
    EXPECT_TRUE(regular_file::open_at(folder.get(), "letters.txt"));
    EXPECT_FALSE(regular_file::open_at(folder.get(), "other.txt"));
}

TEST_F(file_plans, descriptors_are_closed) {
    const auto is_open = [](int descriptor) { return fcntl(descriptor, F_GETFD) >= 0; };
    int descriptor;
    {
        auto answer = plan();
        descriptor = answer->descriptor();
        ASSERT_TRUE(is_open(descriptor));
        EXPECT_EQ(fcntl(descriptor, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        const file_plan moved = std::move(*answer);
        EXPECT_EQ(moved.descriptor(), descriptor);
        EXPECT_EQ(answer->descriptor(), -1);
    }
    EXPECT_FALSE(is_open(descriptor));
    const int folder = open(folder_.c_str(), O_DIRECTORY | O_CLOEXEC);
    EXPECT_FALSE(regular_file::adopt(unique_descriptor(folder)));
    EXPECT_FALSE(is_open(folder));
}

TEST(file_errors, have_a_status) {
    EXPECT_EQ(status_of(file_error::not_found), 404);
    EXPECT_EQ(status_of(file_error::not_regular), 404);
    EXPECT_EQ(status_of(file_error::forbidden), 403);
    EXPECT_EQ(status_of(file_error::exhausted), 503);
    EXPECT_EQ(status_of(file_error::outside), 500);
    EXPECT_EQ(status_of(file_error::invalid), 500);
}

}  // namespace
}  // namespace allcores::http
