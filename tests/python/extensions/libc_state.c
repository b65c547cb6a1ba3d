// A library that uses what the C library keeps in the process.
#define _GNU_SOURCE
#include <getopt.h>
#include <grp.h>
#include <math.h>
#include <pthread.h>
#include <pwd.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// A command line, read one option at a time. The words are kept.
static int count;
static char* words[64];
static char letters[64];
static struct option options[32];
static int flag;
static char text[4096];

void set_line(int number, const char** given, const char* chosen) {
    for (int i = 0; i < count; i++) free(words[i]);
    for (int i = 0; i < number; i++) words[i] = strdup(given[i]);
    words[number] = NULL;
    count = number;
    strcpy(letters, chosen);
    optind = 0;
}

void add_option(int place, const char* name, int has_argument, int with_flag, int value) {
    options[place] = (struct option){name == NULL ? NULL : strdup(name), has_argument,
                                     with_flag ? &flag : NULL, value};
}

// What one call returns, and all that it says besides.
const char* next_option(int kind) {
    int index = -1, result;
    flag = 0;
    if (kind == 0)
        result = getopt(count, words, letters);
    else if (kind == 1)
        result = getopt_long(count, words, letters, options, &index);
    else
        result = getopt_long_only(count, words, letters, options, &index);
    int end = sprintf(text, "%d optind=%d optarg=%s optopt=%d index=%d flag=%d", result, optind,
                      optarg == NULL ? "-" : optarg, optopt, index, flag);
    if (result == -1)
        for (int i = 0; i < count; i++) end += sprintf(text + end, " %s", words[i]);
    return text;
}

void go_to(int place) {
    optind = place;
}

// Addresses, which are looked for at run time by some.
int* place_of_optind(void) {
    return &optind;
}

static char line[256];
const char* first_token(const char* from) {
    strcpy(line, from);
    return strtok(line, ",");
}
const char* next_token(void) {
    return strtok(NULL, ",");
}

static struct tm* parts;
int year_of(long seconds) {
    time_t time = seconds;
    parts = gmtime(&time);
    return parts->tm_year + 1900;
}
int same_year(void) {
    return parts->tm_year + 1900;
}
static char* written;
const char* write_time(long seconds) {
    time_t time = seconds;
    return written = ctime(&time);
}
const char* same_time(void) {
    return written;
}

static struct passwd* user;
const char* user_of(int number) {
    user = getpwuid((uid_t)number);
    return user == NULL ? NULL : user->pw_name;
}
const char* same_user(void) {
    return user->pw_name;
}
const char* user_named(const char* name) {
    user = getpwnam(name);
    return user == NULL ? NULL : user->pw_dir;
}
static struct group* of_users;
const char* group_of(int number) {
    of_users = getgrgid((gid_t)number);
    return of_users == NULL ? NULL : of_users->gr_name;
}
const char* same_group(void) {
    return of_users->gr_name;
}

// Numbers: 0: rand, 1: random, 2: lrand48, 3: drand48, 4: mrand48.
double number(int kind) {
    switch (kind) {
        case 0:
            return rand();
        case 1:
            return (double)random();
        case 2:
            return (double)lrand48();
        case 3:
            return drand48();
        default:
            return (double)mrand48();
    }
}
void seed(int kind, int value) {
    if (kind == 0) srand((unsigned)value);
    if (kind == 1) srandom((unsigned)value);
    if (kind >= 2) srand48(value);
}
// Another state and back: what comes then is what would have come before.
static char other[256];
double number_of_another_state(int value) {
    char* before = initstate((unsigned)value, other, sizeof other);
    double found = (double)random();
    setstate(before);
    return found;
}

int remember(const char* key, const char* value) {
    static int made;
    if (!made) made = hcreate(50);
    ENTRY item = {strdup(key), strdup(value)};
    return hsearch(item, ENTER) != NULL;
}
const char* recall(const char* key) {
    ENTRY item = {(char*)key, NULL};
    ENTRY* found = hsearch(item, FIND);
    return found == NULL ? NULL : found->data;
}

int sign_after_gamma(double x) {
    lgamma(x);
    return signgam;
}
int sign(void) {
    return signgam;
}

static void* use_time(void* seconds) {
    return (void*)(long)(year_of((long)seconds));
}
// A thread's own result does not change the caller's.
int year_in_a_thread(long seconds) {
    struct tm* mine = parts;
    pthread_t thread;
    void* found;
    pthread_create(&thread, NULL, use_time, (void*)seconds);
    pthread_join(thread, &found);
    parts = mine;
    return (int)(long)found;
}
