#pragma once

namespace headgate {

// A node that is in at most one IntrusiveList and leaves it when destroyed.
class ListNode {
 public:
  ListNode() = default;
  ~ListNode() { unlink(); }
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;

  void unlink() {
    if (next_ != nullptr) {
      next_->previous_ = previous_;
      previous_->next_ = next_;
      next_ = previous_ = nullptr;
    }
  }
  [[nodiscard]] bool linked() const { return next_ != nullptr; }

 private:
  template <typename T>
  friend class IntrusiveList;
  ListNode* next_ = nullptr;
  ListNode* previous_ = nullptr;
};

// Objects of T (derived from ListNode) in order of arrival; owns none of them. Everything is O(1).
template <typename T>
class IntrusiveList {
 public:
  IntrusiveList() { head_.next_ = head_.previous_ = &head_; }
  ~IntrusiveList() {
    while (front() != nullptr) {
      front()->unlink();
    }
  }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  void push_back(T& object) {
    ListNode& node = object;
    node.unlink();
    node.previous_ = head_.previous_;
    node.next_ = &head_;
    head_.previous_->next_ = &node;
    head_.previous_ = &node;
  }
  [[nodiscard]] T* front() const { return as_object(head_.next_); }
  [[nodiscard]] T* after(const T& object) const {
    return as_object(static_cast<const ListNode&>(object).next_);
  }
  [[nodiscard]] bool empty() const { return head_.next_ == &head_; }

 private:
  T* as_object(ListNode* node) const { return node == &head_ ? nullptr : static_cast<T*>(node); }
  ListNode head_;
};

}  // namespace headgate
