//! `pods/binding`: a scheduler tells which node runs a pod.

use serde_json::{Value, json};

use super::body;
use super::call::Call;
use super::state::State;
use super::status::{ApiError, ApiResult};
use super::write::patch;

/// Handles `POST` on a pod's binding.
pub(crate) fn bind(call: &Call<'_>, state: &mut State) -> ApiResult<Value> {
    let binding = body::decode_builtin(call.headers, call.body, "v1", "Binding")?;
    let node = binding["target"]["name"].as_str().filter(|name| !name.is_empty());
    let node = node.ok_or_else(|| ApiError::bad_request("a binding must name its node in target.name"))?;
    let stored = patch::stored(call, state)?;
    if let Some(assigned) = stored["spec"]["nodeName"].as_str().filter(|name| !name.is_empty()) {
        let name = call.name();
        return Err(call.conflict(format!("pod {name} is already assigned to node \"{assigned}\"")));
    }
    let mut pod = Value::clone(&stored);
    pod["spec"]["nodeName"] = node.into();
    let scheduled = json!({
        "type": "PodScheduled", "status": "True", "observedGeneration": pod["metadata"]["generation"],
        "lastProbeTime": null, "lastTransitionTime": super::clock::seconds(call.now),
    });
    if !pod["status"]["conditions"].is_array() {
        pod["status"]["conditions"] = json!([]);
    }
    if let Some(conditions) = pod["status"]["conditions"].as_array_mut() {
        conditions.retain(|condition| condition["type"] != "PodScheduled");
        conditions.push(scheduled);
    }
    state.commit(call.server, &call.resource, pod);
    Ok(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}))
}
