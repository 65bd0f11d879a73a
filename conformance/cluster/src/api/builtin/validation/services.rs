//! Services that are reachable from outside the cluster.

use serde_json::{Value, json};

use crate::api::status::Cause;

/// The longest affinity of a client: a day.
const LONGEST_AFFINITY: i64 = 86_400;

/// Node ports, load balancers and session affinity.
pub(super) fn publishing(spec: &Value, causes: &mut Vec<Cause>) {
    let kind = spec["type"].as_str().unwrap_or_default();
    if spec["clusterIP"] == "None" && matches!(kind, "NodePort" | "LoadBalancer") {
        let detail = format!("may not be set to 'None' for {kind} services");
        causes.push(Cause::invalid("spec.clusterIPs[0]", &"None".into(), detail));
    }
    let mut seen = Vec::new();
    for (index, port) in spec["ports"].as_array().into_iter().flatten().enumerate() {
        let field = format!("spec.ports[{index}].nodePort");
        let Some(number) = port["nodePort"].as_i64().filter(|number| *number != 0) else { continue };
        if kind == "ClusterIP" {
            causes.push(Cause::forbidden(field, "may not be used when `type` is 'ClusterIP'"));
            continue;
        }
        let identity = (number, port["protocol"].clone());
        if seen.contains(&identity) {
            causes.push(Cause::duplicate(field, &json!(number)));
        }
        seen.push(identity);
    }
    let health = spec["healthCheckNodePort"].as_i64().is_some_and(|port| port != 0);
    if health && !(kind == "LoadBalancer" && spec["externalTrafficPolicy"] == "Local") {
        let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        causes.push(Cause::invalid("spec.healthCheckNodePort", &spec["healthCheckNodePort"], detail));
    }
    let timeout = &spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"];
    if let Some(seconds) = timeout.as_i64().filter(|_| spec["sessionAffinity"] == "ClientIP")
        && !(1..=LONGEST_AFFINITY).contains(&seconds)
    {
        let detail = format!("must be greater than 0 and less than {LONGEST_AFFINITY}");
        causes.push(Cause::invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", timeout, detail));
    }
}
