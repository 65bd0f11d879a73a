//! Roles, reviews, tokens, and acting as somebody else.

use super::{Kubectl, columns};

/// A service account `robot` that may read pods, and its token.
async fn robot(kubectl: &Kubectl) -> String {
    kubectl.run("create serviceaccount robot").await;
    let role = "create role reader --verb=get,list --resource=pods";
    assert_eq!(kubectl.run(role).await, "role.rbac.authorization.k8s.io/reader created\n");
    let binding = "create rolebinding robot-reads --role=reader --serviceaccount=default:robot";
    assert_eq!(kubectl.run(binding).await, "rolebinding.rbac.authorization.k8s.io/robot-reads created\n");
    kubectl.run("create token robot --duration=20m").await.trim().to_owned()
}

#[tokio::test]
async fn a_token_may_what_its_account_may() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let token = robot(&kubectl).await;
    // The kubeconfig's own token would win over the flag.
    let config = std::fs::read_to_string(kubectl.home().join("kubeconfig")).unwrap();
    let own = config.lines().find_map(|line| line.trim().strip_prefix("token: ")).unwrap();
    std::fs::write(kubectl.home().join("kubeconfig"), config.replace(own, &token)).unwrap();
    assert_eq!(kubectl.run("get pods").await, "");
    let (_, text) = kubectl.refused("get secrets").await;
    let refusal = "Error from server (Forbidden): secrets is forbidden: User \"system:serviceaccount:default:robot\" cannot list \
                   resource \"secrets\" in API group \"\" in the namespace \"default\"\n";
    assert_eq!(text, refusal);
    assert_eq!(kubectl.run("auth can-i list pods").await, "yes\n");
    let (code, text) = kubectl.refused("auth can-i delete pods").await;
    assert_eq!((code, text.as_str()), (1, "no\n"));
    let who = kubectl.run("auth whoami").await;
    assert!(
        who.contains("system:serviceaccount:default:robot") && who.contains("system:serviceaccounts:default"),
        "{who}"
    );
    let rules = kubectl.run("auth can-i --list").await;
    let pods = rules.lines().find(|line| line.starts_with("pods ")).unwrap();
    assert_eq!(columns(pods), ["pods", "[]", "[]", "[get", "list]"]);
}

#[tokio::test]
async fn administrators_ask_and_act_for_others() {
    let Some(kubectl) = Kubectl::start().await else { return };
    robot(&kubectl).await;
    assert_eq!(kubectl.run("auth can-i create pods").await, "yes\n");
    let robot = "--as=system:serviceaccount:default:robot";
    assert_eq!(kubectl.run(&format!("auth can-i get pods/any {robot}")).await, "yes\n");
    let (_, text) = kubectl.refused(&format!("get configmaps {robot}")).await;
    assert!(
        text.contains("User \"system:serviceaccount:default:robot\" cannot list resource \"configmaps\""),
        "{text}"
    );
    let jane = kubectl.run("auth whoami --as=jane --as-group=painters --as-uid=7 -o json").await;
    let jane: serde_json::Value = serde_json::from_str(&jane).unwrap();
    let expected = serde_json::json!({"username": "jane", "uid": "7", "groups": ["painters", "system:authenticated"]});
    assert_eq!(jane["status"]["userInfo"], expected);
    let (_, text) = kubectl.refused("get pods --as-group=painters").await;
    assert!(text.contains("without"), "{text}");
}

#[tokio::test]
async fn nobody_grants_more_than_they_have() {
    let Some(kubectl) = Kubectl::start().await else { return };
    robot(&kubectl).await;
    kubectl.run("create role granter --verb=create,update,patch,get --resource=roles,rolebindings").await;
    kubectl.run("create rolebinding robot-grants --role=granter --serviceaccount=default:robot").await;
    let robot = "--as=system:serviceaccount:default:robot";
    kubectl.run(&format!("create role same --verb=get --resource=pods {robot}")).await;
    let (_, text) =
        kubectl.refused(&format!("create role more --verb=get,delete --resource=pods,secrets {robot}")).await;
    insta::assert_snapshot!(text);
    let (_, text) =
        kubectl.refused(&format!("create rolebinding all --clusterrole=cluster-admin --user=me {robot}")).await;
    insta::assert_snapshot!(text);
    kubectl.run("create clusterrole binder --verb=bind --resource=clusterroles --resource-name=view").await;
    let granted = "create clusterrolebinding robot-binds --clusterrole=binder --serviceaccount=default:robot";
    assert_eq!(kubectl.run(granted).await, "clusterrolebinding.rbac.authorization.k8s.io/robot-binds created\n");
    kubectl.run(&format!("create rolebinding views --clusterrole=view --user=me {robot}")).await;
    kubectl.run("create role escalator --verb=escalate --resource=roles").await;
    kubectl.run("create rolebinding robot-escalates --role=escalator --serviceaccount=default:robot").await;
    kubectl.run(&format!("create role more --verb=get,delete --resource=pods,secrets {robot}")).await;
}
