/* An embedded agent in one thread, without heap of its own: libmosquitto for MQTT, cJSON for JSON.
 *
 *     cc -o agent embedded_agent.c -lmosquitto -lcjson
 *     ./agent HOST PORT THING [CA CERT KEY]
 *
 * With coreMQTT, or the Device SDK for Embedded C, only exchange() changes: topics and payloads are
 * the same. What makes it survive is in report():
 *
 * 1. expectedVersion goes with every report (as a string, as AWS's embedded examples send it).
 * 2. A report without a reply is sent again as it was. If it is then refused as VersionMismatch with
 *    just what it wanted, one version on, the first one had been taken.
 * 3. Any other VersionMismatch says where the execution is now: IN_PROGRESS, then go on from there;
 *    else it is over. Nothing is said about an execution after its end.
 */
#include <cjson/cJSON.h>
#include <mosquitto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STEPS = 3, STEP_S = 1, REPLY_S = 2, SIZE = 4096 };
typedef enum { OVER, TAKEN } Report;

static struct mosquitto *mqtt;
static const char *thing;
static volatile sig_atomic_t stopping;
static int connected, noticed, token;
static char waited_for[16];             /* the clientToken of the request that is out */
static cJSON *reply;                    /* its answer */
static int accepted;

static void on_stop(int number) { (void)number; stopping = 1; }

static void on_connect(struct mosquitto *m, void *data, int code) {
    char topic[256];
    (void)data;
    connected = code == 0;
    noticed = 1;                        /* whatever came meanwhile was missed: ask */
    snprintf(topic, sizeof topic, "$aws/things/%s/jobs/notify-next", thing);
    mosquitto_subscribe(m, NULL, topic, 1);
}

static void on_disconnect(struct mosquitto *m, void *data, int code) {
    (void)m; (void)data; (void)code;
    connected = 0;
}

static void on_message(struct mosquitto *m, void *data, const struct mosquitto_message *got) {
    cJSON *json;
    const char *mine;
    (void)m; (void)data;
    if (strstr(got->topic, "/notify-next")) { noticed = 1; return; }
    json = cJSON_ParseWithLength(got->payload, got->payloadlen);
    mine = cJSON_GetStringValue(cJSON_GetObjectItem(json, "clientToken"));
    if (reply == NULL && mine != NULL && strcmp(mine, waited_for) == 0) {
        const char *end = got->topic + strlen(got->topic) - strlen("/accepted");
        accepted = strcmp(end, "/accepted") == 0;
        reply = json;
    } else {
        cJSON_Delete(json);             /* a duplicate, or an answer that came too late */
    }
}

/* Let the network work for a while; a connection that was lost is made again. */
static void pump(int milliseconds) {
    static time_t next_try;
    if (mosquitto_loop(mqtt, milliseconds, 1) == MOSQ_ERR_SUCCESS) return;
    connected = 0;
    if (time(NULL) >= next_try) {
        next_try = time(NULL) + 1;
        mosquitto_reconnect(mqtt);
    } else {
        struct timespec nap = {0, 50 * 1000 * 1000};
        nanosleep(&nap, NULL);
    }
}

/* Send a request and wait for its reply; 0 where none came. `fields` begins with a comma or is "". */
static int exchange(const char *operation, const char *fields) {
    char topic[256], payload[SIZE];
    time_t until = time(NULL) + REPLY_S;
    int length;
    cJSON_Delete(reply);
    reply = NULL;
    while (!connected && !stopping && time(NULL) < until) pump(100);
    snprintf(waited_for, sizeof waited_for, "%d", ++token);
    snprintf(topic, sizeof topic, "$aws/things/%s/jobs/%s", thing, operation);
    length = snprintf(payload, sizeof payload, "{\"clientToken\":\"%s\"%s}", waited_for, fields);
    if (connected) mosquitto_publish(mqtt, NULL, topic, length, payload, 1, false);
    for (until = time(NULL) + REPLY_S; reply == NULL && !stopping && time(NULL) <= until;) pump(100);
    return reply != NULL;
}

/* Report until the service has it. `version` is the one expected, and then the one that is. */
static Report report(const char *job, const char *status, int step, int *version) {
    char operation[128], fields[512];
    int unsure = 0;                     /* whether an earlier try may have been taken */
    snprintf(operation, sizeof operation, "%s/update", job);
    while (!stopping) {
        const char *code, *found, *done;
        cJSON *state;
        int there;
        snprintf(fields, sizeof fields,
                 ",\"status\":\"%s\",\"expectedVersion\":\"%d\",\"statusDetails\":{\"step\":\"%d\"}",
                 status, *version, step);
        if (!exchange(operation, fields)) { unsure = 1; continue; }
        if (accepted) { ++*version; return TAKEN; }
        code = cJSON_GetStringValue(cJSON_GetObjectItem(reply, "code"));
        printf("%s: %s\n", job, code ? code : "?");
        if (code && (!strcmp(code, "RequestThrottled") || !strcmp(code, "InternalError"))) {
            for (int i = 0; i < 5; ++i) pump(100);
            continue;
        }
        state = cJSON_GetObjectItem(reply, "executionState");
        found = cJSON_GetStringValue(cJSON_GetObjectItem(state, "status"));
        if (!code || strcmp(code, "VersionMismatch") || !found) return OVER;
        there = (int)cJSON_GetNumberValue(cJSON_GetObjectItem(state, "versionNumber"));
        done = cJSON_GetStringValue(
            cJSON_GetObjectItem(cJSON_GetObjectItem(state, "statusDetails"), "step"));
        if (unsure && there == *version + 1 && !strcmp(found, status) && done && atoi(done) == step) {
            *version = there;
            return TAKEN;
        }
        if (strcmp(found, "IN_PROGRESS")) return OVER;
        *version = there;
        unsure = 0;
    }
    return OVER;
}

static void work(void) {
    cJSON *execution = cJSON_GetObjectItem(reply, "execution");
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(execution, "jobId"));
    int version = (int)cJSON_GetNumberValue(cJSON_GetObjectItem(execution, "versionNumber"));
    char job[65];
    snprintf(job, sizeof job, "%s", id);
    printf("%s: begins at version %d\n", job, version);
    for (int step = 1; step <= STEPS; ++step) {
        time_t until = time(NULL) + STEP_S;
        while (time(NULL) < until && !stopping) pump(100);        /* here it would install */
        if (report(job, step == STEPS ? "SUCCEEDED" : "IN_PROGRESS", step, &version) == OVER) return;
    }
    printf("%s: succeeded at version %d\n", job, version);
    noticed = 1;
}

int main(int count, char **given) {
    time_t asked = 0;
    if (count != 4 && count != 7) {
        fprintf(stderr, "usage: %s HOST PORT THING [CA CERT KEY]\n", given[0]);
        return 2;
    }
    thing = given[3];
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGTERM, on_stop);
    signal(SIGINT, on_stop);
    mosquitto_lib_init();
    mqtt = mosquitto_new(thing, true, NULL);
    mosquitto_connect_callback_set(mqtt, on_connect);
    mosquitto_disconnect_callback_set(mqtt, on_disconnect);
    mosquitto_message_callback_set(mqtt, on_message);
    if (count == 7 && mosquitto_tls_set(mqtt, given[4], NULL, given[5], given[6], NULL)) {
        fprintf(stderr, "cannot use the certificates\n");
        return 2;
    }
    mosquitto_connect(mqtt, given[1], atoi(given[2]), 60);        /* pump() tries again */
    while (!stopping) {
        pump(100);
        /* Asking again now and then makes up for a notice that was lost. */
        if (connected && (noticed || time(NULL) - asked >= 10)) {
            noticed = 0;
            asked = time(NULL);
            if (!exchange("start-next", "")) noticed = 1;
            else if (accepted && cJSON_GetObjectItem(reply, "execution")) work();
        }
    }
    cJSON_Delete(reply);
    mosquitto_disconnect(mqtt);
    mosquitto_destroy(mqtt);
    mosquitto_lib_cleanup();
    return 0;
}
