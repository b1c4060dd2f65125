//! The metrics of the directory's controller.

use super::MetricType;

metrics! {
    BuildInfo: Gauge "muster_controller_build_info" ["version"]
        "Always 1; the label has the version of the controller.";
    Leader: Gauge "muster_controller_leader" []
        "1 while this process is the one that acts for the directory, else 0.";
    Clusters: Gauge "muster_controller_clusters" ["condition", "status", "reason"]
        "Cluster entries by the status and the reason of their conditions.";
    Blind: Gauge "muster_controller_blind" []
        "1 while so many clusters are silent that the directory itself is suspected, else 0.";
    HeldBack: Gauge "muster_controller_held_back" []
        "Entries that are being deleted and nothing of which is removed, since their definition is going, gone or another one.";
    Requests: Counter "muster_controller_requests_total" ["verb", "result"]
        "Requests to the directory's API server.";
    WatchErrors: Counter "muster_controller_watch_errors_total" ["source", "category"]
        "Watches that failed and were begun anew.";
    Steps: Counter "muster_controller_steps_total" ["step", "result"]
        "Steps that were carried out for a cluster, and attempts that failed.";
}
