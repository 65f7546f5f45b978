//! Moves entries of a list: makes room at its start, or closes a gap there.

/// Moves all entries up by so many places; those that were the last ones are gone. The first ones stay, to be written.
pub fn up<T: Copy>(list: &mut [T], by: usize) {
    if let Some(kept) = list.len().checked_sub(by) {
        list.copy_within(..kept, by);
    }
}

/// Moves all entries down by one place: the first one is gone. The last one stays, to be left out.
pub fn down<T: Copy>(list: &mut [T]) {
    if !list.is_empty() {
        list.copy_within(1.., 0);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn entries_move() {
        let mut list = [1, 2, 3, 4];
        super::up(&mut list, 2);
        assert_eq!(list, [1, 2, 1, 2]);
        super::down(&mut list);
        assert_eq!(list, [2, 1, 2, 2]);
        super::up(&mut list, 5);
        assert_eq!(list, [2, 1, 2, 2], "there is no such room");
        super::down::<u8>(&mut []);
    }
}
