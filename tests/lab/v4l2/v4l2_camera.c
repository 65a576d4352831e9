// V4L2 cameras in user space, for tests on machines without a camera: preloaded into a process, this library
// answers for /dev/video0, /dev/video1 and so on, and hides the real ones.
//
//   cc -shared -fPIC -O2 -o libv4l2_camera.so v4l2_camera.c -ldl -lpthread
//   V4L2_CAMERA_DIR=DIR LD_PRELOAD=./libv4l2_camera.so visavis devices
//
// Environment, read once:
//   V4L2_CAMERA_DIR      where the control files are (required; without it there is no camera)
//   V4L2_CAMERA_COUNT    number of cameras, default 1; each is called "Lab Camera N"
//   V4L2_CAMERA_METADATA when set, one more node that has no picture formats, as UVC cameras have
//   V4L2_CAMERA_FORMATS  like YUYV,MJPG (YUYV, NV12, MJPG, RGB3, BGR3), default YUYV
//   V4L2_CAMERA_SIZES    like 640x480,1280x720, default 1280x720
//   V4L2_CAMERA_RATES    frames a second, like 30,30000/1001, default 30
//
// Control files, looked at on every call, so that creating or removing one acts at once on camera N:
//   N.unplug     the device is gone: not listed, ENODEV on everything that is open
//   N.stall      it gives no more frames, whoever waits waits for ever
//   N.busy       another program has it: EBUSY on setting a format, a rate, buffers or the stream
//   N.forbidden  opening it gives EACCES
//   N.garbage    its buffers hold noise
//   N.jpeg       the JPEG it serves as MJPG, in a buffer whose rest is noise
//
// The picture: the left half red (Y 81, Cb 90, Cr 240), the right half blue (41, 240, 110), a grey column wandering
// through the lower half. A device is a timerfd, so that polling works in the kernel; its buffers lie in a memfd.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_OPEN 32
#define MAX_BUFFERS 16
#define MAX_LIST 8
#define SLICE_MS 20  // how often a waiting poll looks at the control files

// ---- configuration ----

struct size { uint32_t width, height; };
struct rate { uint32_t numerator, denominator; };  // frames per seconds

static const char *directory;
static int cameras, nodes;  // nodes beyond the cameras are metadata nodes
static uint32_t formats[MAX_LIST];
static struct size sizes[MAX_LIST];
static struct rate rates[MAX_LIST];
static int format_count, size_count, rate_count;

static int (*real_open)(const char *, int, ...);
static int (*real_ioctl)(int, unsigned long, ...);
static int (*real_close)(int);
static int (*real_poll)(struct pollfd *, nfds_t, int);
static long (*real_syscall)(long, ...);
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);
static DIR *(*real_opendir)(const char *);
static int (*real_closedir)(DIR *);
static struct dirent64 *(*real_readdir64)(DIR *);

static const char *setting(const char *name, const char *fallback) {
    const char *value = getenv(name);
    return value && *value ? value : fallback;
}

static const char *next_item(const char *list) {
    const char *comma = strchr(list, ',');
    return comma ? comma + 1 : NULL;
}

static void read_configuration(void) {
    directory = getenv("V4L2_CAMERA_DIR");
    cameras = directory ? atoi(setting("V4L2_CAMERA_COUNT", "1")) : 0;
    nodes = cameras + (directory && getenv("V4L2_CAMERA_METADATA") ? 1 : 0);
    for (const char *at = setting("V4L2_CAMERA_FORMATS", "YUYV"); at && format_count < MAX_LIST; at = next_item(at))
        if (strlen(at) >= 4) formats[format_count++] = v4l2_fourcc(at[0], at[1], at[2], at[3]);
    for (const char *at = setting("V4L2_CAMERA_SIZES", "1280x720"); at && size_count < MAX_LIST; at = next_item(at))
        if (sscanf(at, "%ux%u", &sizes[size_count].width, &sizes[size_count].height) == 2) size_count++;
    for (const char *at = setting("V4L2_CAMERA_RATES", "30"); at && rate_count < MAX_LIST; at = next_item(at)) {
        struct rate rate = {.denominator = 1};
        if (sscanf(at, "%u/%u", &rate.numerator, &rate.denominator) >= 1) rates[rate_count++] = rate;
    }
}

static void start_up(void) {
    real_open = dlsym(RTLD_NEXT, "open64");
    real_ioctl = dlsym(RTLD_NEXT, "ioctl");
    real_close = dlsym(RTLD_NEXT, "close");
    real_poll = dlsym(RTLD_NEXT, "poll");
    real_syscall = dlsym(RTLD_NEXT, "syscall");
    real_mmap = dlsym(RTLD_NEXT, "mmap64");
    real_opendir = dlsym(RTLD_NEXT, "opendir");
    real_closedir = dlsym(RTLD_NEXT, "closedir");
    real_readdir64 = dlsym(RTLD_NEXT, "readdir64");
    read_configuration();
}

// Other libraries may call us before our turn to be constructed has come.
__attribute__((constructor)) static void ready(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_up);
}

// ---- devices ----

struct device {
    int in_use, fd, camera;
    uint32_t format;
    struct size size;
    struct rate rate;
    int memory_fd, buffer_count, queue[MAX_BUFFERS], queued, streaming;
    uint32_t buffer_bytes, sequence;
};

static struct device devices[MAX_OPEN];
// Guards everything below. Nothing waits while it is held.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int told(int camera, const char *what) {
    char path[512];
    snprintf(path, sizeof path, "%s/%d.%s", directory, camera, what);
    return access(path, F_OK) == 0;
}

static int fail(int error) {
    errno = error;
    return -1;
}

static struct device *device_of(int fd) {
    for (int i = 0; i < MAX_OPEN && fd >= 0; i++)
        if (devices[i].in_use && devices[i].fd == fd) return &devices[i];
    return NULL;
}

static int is_metadata(const struct device *device) { return device->camera >= cameras; }

static uint32_t picture_bytes(uint32_t format, struct size size) {
    uint32_t pixels = size.width * size.height;
    switch (format) {
    case V4L2_PIX_FMT_NV12: return pixels * 3 / 2;
    case V4L2_PIX_FMT_RGB24:
    case V4L2_PIX_FMT_BGR24: return pixels * 3;
    default: return pixels * 2;
    }
}

static uint32_t in_pages(uint32_t bytes) { return (bytes + 4095) & ~4095u; }

// The nearest thing to what was asked for that the camera has, as drivers do.
static void choose_format(struct device *device, uint32_t format, uint32_t width, uint32_t height) {
    device->format = formats[0];
    for (int i = 0; i < format_count; i++)
        if (formats[i] == format) device->format = format;
    int64_t nearest = INT64_MAX;
    for (int i = 0; i < size_count; i++) {
        int64_t across = (int64_t)sizes[i].width - width, down = (int64_t)sizes[i].height - height;
        if (across * across + down * down >= nearest) continue;
        nearest = across * across + down * down;
        device->size = sizes[i];
    }
}

static void choose_rate(struct device *device, uint32_t numerator, uint32_t denominator) {
    double wanted = (double)denominator / (numerator ? numerator : 1), nearest = 1e9;
    for (int i = 0; i < rate_count; i++) {
        double rate = (double)rates[i].numerator / rates[i].denominator;
        double distance = rate > wanted ? rate - wanted : wanted - rate;
        if (distance >= nearest) continue;
        nearest = distance;
        device->rate = rates[i];
    }
}

static int open_device(int camera) {
    if (told(camera, "unplug")) return fail(ENOENT);
    if (told(camera, "forbidden")) return fail(EACCES);
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0) return -1;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_OPEN; i++) {
        if (devices[i].in_use) continue;
        struct device *device = &devices[i];
        *device = (struct device){.in_use = 1, .fd = fd, .camera = camera, .memory_fd = -1, .rate = rates[0]};
        choose_format(device, formats[0], sizes[0].width, sizes[0].height);
        pthread_mutex_unlock(&lock);
        return fd;
    }
    pthread_mutex_unlock(&lock);
    real_close(fd);
    return fail(EMFILE);
}

static void run_clock(struct device *device, int running) {
    struct itimerspec clock = {0};
    if (running) {
        uint64_t ns = 1000000000ull * device->rate.denominator / device->rate.numerator;
        clock.it_interval.tv_sec = ns / 1000000000;
        clock.it_interval.tv_nsec = ns % 1000000000;
        clock.it_value = clock.it_interval;
    }
    timerfd_settime(device->fd, 0, &clock, NULL);
}

static int another_streams(const struct device *device) {
    for (int i = 0; i < MAX_OPEN; i++)
        if (devices[i].in_use && &devices[i] != device && devices[i].camera == device->camera && devices[i].streaming)
            return 1;
    return 0;
}

// ---- pictures ----

static void fill_with_noise(uint8_t *bytes, size_t length, uint32_t seed) {
    for (size_t i = 0; i < length; i++) {
        seed = seed * 1664525 + 1013904223;
        bytes[i] = seed >> 24;
    }
}

static uint32_t fill_with_jpeg(const struct device *device, uint8_t *bytes, uint32_t room) {
    char path[512];
    snprintf(path, sizeof path, "%s/%d.jpeg", directory, device->camera);
    fill_with_noise(bytes, room, device->sequence);
    int fd = real_open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = read(fd, bytes, room);
    real_close(fd);
    return length < 0 ? 0 : (uint32_t)length;
}

static void put_pixel_pair(const struct device *device, uint8_t *bytes, uint32_t x, uint32_t y) {
    static const uint8_t red[] = {81, 90, 240, 255, 0, 0}, blue[] = {41, 240, 110, 0, 0, 255},
                         grey[] = {126, 128, 128, 128, 128, 128};  // Y Cb Cr R G B
    uint32_t width = device->size.width, height = device->size.height;
    uint32_t column = device->sequence * 8 % width & ~1u;
    const uint8_t *c = y >= height / 2 && x >= column && x < column + 16 ? grey : x < width / 2 ? red : blue;
    uint8_t *at;
    switch (device->format) {
    case V4L2_PIX_FMT_NV12:
        bytes[y * width + x] = bytes[y * width + x + 1] = c[0];
        at = bytes + width * height + y / 2 * width + x;
        at[0] = c[1], at[1] = c[2];
        break;
    case V4L2_PIX_FMT_RGB24:
    case V4L2_PIX_FMT_BGR24:
        at = bytes + (y * width + x) * 3;
        for (int i = 0; i < 6; i++) at[i] = c[3 + (device->format == V4L2_PIX_FMT_RGB24 ? i % 3 : 2 - i % 3)];
        break;
    default:
        at = bytes + (y * width + x) * 2;
        at[0] = at[2] = c[0], at[1] = c[1], at[3] = c[2];
    }
}

static uint32_t fill_buffer(const struct device *device, uint8_t *bytes) {
    uint32_t length = picture_bytes(device->format, device->size);
    if (told(device->camera, "garbage")) {
        fill_with_noise(bytes, length, device->sequence);
        return length;
    }
    if (device->format == V4L2_PIX_FMT_MJPEG) return fill_with_jpeg(device, bytes, length);
    for (uint32_t y = 0; y < device->size.height; y++)
        for (uint32_t x = 0; x + 1 < device->size.width; x += 2) put_pixel_pair(device, bytes, x, y);
    return length;
}

// ---- ioctls; each is called with the lock held ----

static int query_capabilities(struct device *device, struct v4l2_capability *answer) {
    memset(answer, 0, sizeof *answer);
    snprintf((char *)answer->driver, sizeof answer->driver, "lab");
    snprintf((char *)answer->card, sizeof answer->card, "Lab Camera %d", device->camera);
    snprintf((char *)answer->bus_info, sizeof answer->bus_info, "lab-%d", device->camera);
    answer->device_caps = V4L2_CAP_STREAMING;
    answer->device_caps |= is_metadata(device) ? V4L2_CAP_META_CAPTURE : V4L2_CAP_VIDEO_CAPTURE;
    answer->capabilities = answer->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

static int enumerate_formats(struct device *device, struct v4l2_fmtdesc *answer) {
    if (is_metadata(device) || answer->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fail(EINVAL);
    if (answer->index >= (uint32_t)format_count) return fail(EINVAL);
    answer->pixelformat = formats[answer->index];
    answer->flags = answer->pixelformat == V4L2_PIX_FMT_MJPEG ? V4L2_FMT_FLAG_COMPRESSED : 0;
    snprintf((char *)answer->description, sizeof answer->description, "%.4s", (char *)&answer->pixelformat);
    return 0;
}

static int enumerate_sizes(struct v4l2_frmsizeenum *answer) {
    if (answer->index >= (uint32_t)size_count) return fail(EINVAL);
    answer->type = V4L2_FRMSIZE_TYPE_DISCRETE;
    answer->discrete.width = sizes[answer->index].width;
    answer->discrete.height = sizes[answer->index].height;
    return 0;
}

static int enumerate_intervals(struct v4l2_frmivalenum *answer) {
    if (answer->index >= (uint32_t)rate_count) return fail(EINVAL);
    answer->type = V4L2_FRMIVAL_TYPE_DISCRETE;
    answer->discrete.numerator = rates[answer->index].denominator;
    answer->discrete.denominator = rates[answer->index].numerator;
    return 0;
}

static int get_or_set_format(struct device *device, unsigned long request, struct v4l2_format *answer) {
    if (is_metadata(device) || answer->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fail(EINVAL);
    struct v4l2_pix_format *pix = &answer->fmt.pix;
    struct device changed = *device;
    if (request != VIDIOC_G_FMT) choose_format(&changed, pix->pixelformat, pix->width, pix->height);
    if (request == VIDIOC_S_FMT) {
        if (device->buffer_count || another_streams(device) || told(device->camera, "busy")) return fail(EBUSY);
        *device = changed;
    }
    int packed = changed.format == V4L2_PIX_FMT_YUYV ? 2 : changed.format == V4L2_PIX_FMT_NV12 ? 1 : 3;
    memset(pix, 0, sizeof *pix);
    pix->width = changed.size.width;
    pix->height = changed.size.height;
    pix->pixelformat = changed.format;
    pix->field = V4L2_FIELD_NONE;
    pix->colorspace = V4L2_COLORSPACE_SRGB;
    pix->bytesperline = changed.format == V4L2_PIX_FMT_MJPEG ? 0 : changed.size.width * packed;
    pix->sizeimage = picture_bytes(changed.format, changed.size);
    return 0;
}

static int get_or_set_rate(struct device *device, unsigned long request, struct v4l2_streamparm *answer) {
    if (is_metadata(device) || answer->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fail(EINVAL);
    struct v4l2_captureparm *capture = &answer->parm.capture;
    if (request == VIDIOC_S_PARM) {
        if (device->streaming || another_streams(device) || told(device->camera, "busy")) return fail(EBUSY);
        choose_rate(device, capture->timeperframe.numerator, capture->timeperframe.denominator);
    }
    memset(capture, 0, sizeof *capture);
    capture->capability = V4L2_CAP_TIMEPERFRAME;
    capture->timeperframe.numerator = device->rate.denominator;
    capture->timeperframe.denominator = device->rate.numerator;
    return 0;
}

static void stop_streaming(struct device *device) {
    device->streaming = device->queued = 0;
    run_clock(device, 0);
}

static int request_buffers(struct device *device, struct v4l2_requestbuffers *request) {
    if (is_metadata(device) || request->memory != V4L2_MEMORY_MMAP) return fail(EINVAL);
    if (device->streaming || another_streams(device) || told(device->camera, "busy")) return fail(EBUSY);
    if (device->memory_fd >= 0) real_close(device->memory_fd);
    device->memory_fd = -1;
    device->buffer_count = device->queued = 0;
    if (!request->count) return 0;
    if (request->count > MAX_BUFFERS) request->count = MAX_BUFFERS;
    device->buffer_bytes = in_pages(picture_bytes(device->format, device->size));
    device->memory_fd = memfd_create("v4l2_camera", MFD_CLOEXEC);
    if (device->memory_fd < 0 || ftruncate(device->memory_fd, (off_t)device->buffer_bytes * request->count)) return -1;
    device->buffer_count = request->count;
    return 0;
}

static void describe_buffer(const struct device *device, struct v4l2_buffer *buffer) {
    buffer->memory = V4L2_MEMORY_MMAP;
    buffer->length = picture_bytes(device->format, device->size);
    buffer->m.offset = buffer->index * device->buffer_bytes;
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | V4L2_BUF_FLAG_MAPPED;
}

static int query_buffer(struct device *device, struct v4l2_buffer *buffer) {
    if (buffer->index >= (uint32_t)device->buffer_count) return fail(EINVAL);
    describe_buffer(device, buffer);
    return 0;
}

static int queue_buffer(struct device *device, struct v4l2_buffer *buffer) {
    if (buffer->index >= (uint32_t)device->buffer_count || device->queued == MAX_BUFFERS) return fail(EINVAL);
    for (int i = 0; i < device->queued; i++)
        if (device->queue[i] == (int)buffer->index) return fail(EINVAL);
    device->queue[device->queued++] = buffer->index;
    describe_buffer(device, buffer);
    buffer->flags |= V4L2_BUF_FLAG_QUEUED;
    return 0;
}

static int take_buffer(struct device *device, struct v4l2_buffer *buffer) {
    if (!device->streaming) return fail(EINVAL);
    uint64_t ticks = 0;
    if (read(device->fd, &ticks, sizeof ticks) != sizeof ticks || !device->queued) return fail(EAGAIN);
    device->sequence += ticks;
    buffer->index = device->queue[0];
    memmove(device->queue, device->queue + 1, sizeof *device->queue * --device->queued);
    describe_buffer(device, buffer);
    uint8_t *bytes = real_mmap(NULL, device->buffer_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, device->memory_fd,
                               buffer->m.offset);
    if (bytes == MAP_FAILED) return -1;
    buffer->bytesused = fill_buffer(device, bytes);
    munmap(bytes, device->buffer_bytes);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    buffer->timestamp = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    buffer->sequence = device->sequence;
    buffer->field = V4L2_FIELD_NONE;
    buffer->flags |= V4L2_BUF_FLAG_DONE;
    return 0;
}

static int start_stream(struct device *device) {
    if (another_streams(device) || told(device->camera, "busy")) return fail(EBUSY);
    if (!device->buffer_count) return fail(EINVAL);
    device->streaming = 1;
    device->sequence = 0;
    run_clock(device, 1);
    return 0;
}

static int handle(struct device *device, unsigned long request, void *argument) {
    if (told(device->camera, "unplug")) return fail(ENODEV);
    switch (request) {
    case VIDIOC_QUERYCAP: return query_capabilities(device, argument);
    case VIDIOC_ENUM_FMT: return enumerate_formats(device, argument);
    case VIDIOC_ENUM_FRAMESIZES: return enumerate_sizes(argument);
    case VIDIOC_ENUM_FRAMEINTERVALS: return enumerate_intervals(argument);
    case VIDIOC_G_FMT:
    case VIDIOC_S_FMT:
    case VIDIOC_TRY_FMT: return get_or_set_format(device, request, argument);
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: return get_or_set_rate(device, request, argument);
    case VIDIOC_REQBUFS: return request_buffers(device, argument);
    case VIDIOC_QUERYBUF: return query_buffer(device, argument);
    case VIDIOC_QBUF: return queue_buffer(device, argument);
    case VIDIOC_DQBUF: return take_buffer(device, argument);
    case VIDIOC_STREAMON: return start_stream(device);
    case VIDIOC_STREAMOFF: stop_streaming(device); return 0;
    default: return fail(ENOTTY);
    }
}

// ---- what the process calls instead of the C library ----

// Whether `path` is ours; if so, `*fd` is what opening it gives.
static int open_ours(const char *path, int *fd) {
    ready();
    int node, end = 0;
    if (!directory || !path) return 0;
    if (sscanf(path, "/dev/video%d%n", &node, &end) == 1 && !path[end]) {
        *fd = node >= 0 && node < nodes ? open_device(node) : fail(ENOENT);
        return 1;
    }
    if (sscanf(path, "/sys/class/video4linux/video%d/name%n", &node, &end) == 1 && end && !path[end]) {
        char name[64];
        // A camera's metadata node bears the camera's name.
        int length = snprintf(name, sizeof name, "Lab Camera %d\n", node < cameras ? node : cameras - 1);
        *fd = memfd_create("name", MFD_CLOEXEC);
        if (*fd >= 0 && (write(*fd, name, length) != length || lseek(*fd, 0, SEEK_SET))) *fd = fail(EIO);
        return 1;
    }
    return 0;
}

static int open_any(const char *path, int flags, va_list rest) {
    int fd;
    if (open_ours(path, &fd)) return fd;
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0;
    return real_open(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int fd = open_any(path, flags, rest);
    va_end(rest);
    return fd;
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int fd = open_any(path, flags, rest);
    va_end(rest);
    return fd;
}

static int control(int fd, unsigned long request, void *argument) {
    ready();
    pthread_mutex_lock(&lock);
    struct device *device = device_of(fd);
    int result = device ? handle(device, (uint32_t)request, argument) : 0;
    pthread_mutex_unlock(&lock);
    return device ? result : real_ioctl(fd, request, argument);
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return control(fd, request, argument);
}

// The v4l crate calls ioctl by its number.
long syscall(long number, ...) {
    ready();
    va_list rest;
    va_start(rest, number);
    long a[6];
    for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
    va_end(rest);
    if (number == SYS_ioctl) return control((int)a[0], (unsigned long)a[1], (void *)a[2]);
    return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    ready();
    pthread_mutex_lock(&lock);
    struct device *device = device_of(fd);
    int target = device ? device->memory_fd : fd;
    pthread_mutex_unlock(&lock);
    return real_mmap(address, length, protection, flags, target, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    return mmap(address, length, protection, flags, fd, offset);
}

int close(int fd) {
    ready();
    pthread_mutex_lock(&lock);
    struct device *device = device_of(fd);
    if (device && device->memory_fd >= 0) real_close(device->memory_fd);
    if (device) device->in_use = 0;
    pthread_mutex_unlock(&lock);
    return real_close(fd);
}

// What the control files make of one look at a set of descriptors.
enum look { ORDINARY, PRESENT, STALLED, UNPLUGGED };

static enum look look_at(struct pollfd *fds, nfds_t count) {
    enum look look = ORDINARY;
    pthread_mutex_lock(&lock);
    for (nfds_t i = 0; i < count; i++) {
        struct device *device = device_of(fds[i].fd);
        if (!device) continue;
        if (look == ORDINARY) look = PRESENT;
        if (told(device->camera, "stall")) look = STALLED;
        if (told(device->camera, "unplug")) {
            fds[i].revents = POLLERR | POLLHUP;
            look = UNPLUGGED;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    return look;
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
    ready();
    for (int waited = 0;; waited += SLICE_MS) {
        enum look look = directory ? look_at(fds, count) : ORDINARY;
        if (look == UNPLUGGED) return 1;
        if (look == ORDINARY) return real_poll(fds, count, timeout_ms);
        if (timeout_ms >= 0 && waited >= timeout_ms) return 0;
        int result = look == STALLED ? real_poll(NULL, 0, SLICE_MS) : real_poll(fds, count, SLICE_MS);
        if (result) return result;
    }
}

// Listing /dev: the real cameras out, ours in.

static struct { DIR *directory; int next; struct dirent64 entry; } listings[8];

DIR *opendir(const char *path) {
    ready();
    DIR *opened = real_opendir(path);
    if (!opened || !directory || (strcmp(path, "/dev") && strcmp(path, "/dev/"))) return opened;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < 8; i++) {
        if (listings[i].directory) continue;
        listings[i].directory = opened;
        listings[i].next = 0;
        break;
    }
    pthread_mutex_unlock(&lock);
    return opened;
}

struct dirent64 *readdir64(DIR *listed) {
    ready();
    int slot = 0;
    pthread_mutex_lock(&lock);
    while (slot < 8 && listings[slot].directory != listed) slot++;
    pthread_mutex_unlock(&lock);
    struct dirent64 *entry = real_readdir64(listed);
    if (slot == 8) return entry;
    while (entry && !strncmp(entry->d_name, "video", 5)) entry = real_readdir64(listed);
    while (!entry && listings[slot].next < nodes) {
        int node = listings[slot].next++;
        if (told(node, "unplug")) continue;
        entry = &listings[slot].entry;
        *entry = (struct dirent64){.d_ino = 1000 + node, .d_type = DT_CHR, .d_reclen = sizeof *entry};
        snprintf(entry->d_name, sizeof entry->d_name, "video%d", node);
    }
    return entry;
}

struct dirent *readdir(DIR *listed) { return (struct dirent *)readdir64(listed); }

int closedir(DIR *listed) {
    ready();
    pthread_mutex_lock(&lock);
    for (int i = 0; i < 8; i++)
        if (listings[i].directory == listed) listings[i].directory = NULL;
    pthread_mutex_unlock(&lock);
    return real_closedir(listed);
}
