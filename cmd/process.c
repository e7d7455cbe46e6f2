/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/process.h"

#include "base/file.h"
#include "base/metric.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CPU_SECONDS, OPEN_FILES, MAX_FILES, START_TIME, VIRTUAL_BYTES, RESIDENT_BYTES, PROCESS_METRICS };

static const struct metric_def defs[PROCESS_METRICS] = {
        [CPU_SECONDS] = {"process_cpu_seconds_total", METRIC_COUNTER, "User and system CPU time in seconds.", {0}},
        [OPEN_FILES] = {"process_open_fds", METRIC_GAUGE, "Open file descriptors.", {0}},
        [MAX_FILES] = {"process_max_fds", METRIC_GAUGE, "File descriptors that may be open.", {0}},
        [START_TIME] = {"process_start_time_seconds",
                        METRIC_GAUGE,
                        "Start of the process, in seconds since 1970.",
                        {0}},
        [VIRTUAL_BYTES] = {"process_virtual_memory_bytes", METRIC_GAUGE, "Virtual memory.", {0}},
        [RESIDENT_BYTES] = {"process_resident_memory_bytes", METRIC_GAUGE, "Resident memory.", {0}},
};
METRIC_LIST(defs, PROCESS_METRICS);

static void append(struct buf *out, const struct metric_def *def, double value)
{
        metric_render_head(out, def);
        buf_printf(out, "%s %.17g\n", def->name, value);
}

static double cpu_seconds(void)
{
        struct rusage u = {0};
        getrusage(RUSAGE_SELF, &u);
        return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
               (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Field n of /proc/self/stat, counted as in proc(5) from 1; the name in field 2 may hold anything but ends in ')'. */
static double stat_field(const char *stat, unsigned n)
{
        const char *p = strrchr(stat, ')');
        for (unsigned i = 2; p && i < n; i++)
                p = strchr(p + 1, ' ');
        return p ? strtod(p + 1, NULL) : 0;
}

static double boot_seconds(void)
{
        AUTO(buf) *text = file_read("/proc/stat", 16 * 1024 * 1024, NULL);
        const char *line = text ? strstr(buf_data(text), "\nbtime ") : NULL;
        return line ? strtod(line + strlen("\nbtime "), NULL) : 0;
}

static double open_files(void)
{
        DIR *dir = opendir("/proc/self/fd");
        double n = 0;
        while (dir && readdir(dir))
                n++;
        if (!dir)
                return 0;
        closedir(dir);
        return n - 3; /* ".", ".." and the folder itself */
}

void process_metrics(struct buf *out)
{
        AUTO(buf) *stat = file_read("/proc/self/stat", 4096, NULL);
        struct rlimit files = {0};
        getrlimit(RLIMIT_NOFILE, &files);
        append(out, &defs[CPU_SECONDS], cpu_seconds());
        append(out, &defs[OPEN_FILES], open_files());
        append(out, &defs[MAX_FILES], (double)files.rlim_cur);
        if (!stat)
                return;
        const char *text = buf_data(stat);
        double ticks = (double)sysconf(_SC_CLK_TCK);
        append(out, &defs[START_TIME], boot_seconds() + stat_field(text, 22) / ticks);
        append(out, &defs[VIRTUAL_BYTES], stat_field(text, 23));
        append(out, &defs[RESIDENT_BYTES], stat_field(text, 24) * (double)sysconf(_SC_PAGESIZE));
}
